"""`train`, `answer`, `plan` and `model card`, on a small model made here."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from harness.cli import main
from harness.cli._answer import answers
from harness.cli._model import Tensor, parameters
from harness.cli._train import read
from harness.data.formats import CHAT
from harness.data.turns import dataset_in_chat
from harness.engines import Engine
from harness.errors import RecipeError
from harness.recipes import BARE, Chat, Decoding, Sample, Training, changed
from harness.store import Store
from tests.cli.conftest import Home


def test_an_adapter_is_kept_and_copied(home: Home) -> None:
    assert {"adapter_config.json", "adapter_model.safetensors", "manifest.json"} <= {
        p.name for p in home.out.iterdir()
    }
    manifest = Store.existing(home.store).artefacts()[0].manifest
    assert manifest is not None
    assert manifest.recipe["training"]["target_modules"] == ["q_proj", "v_proj"]
    assert [path.name for path in home.out.parent.iterdir()] == ["adapter"], (
        "nothing is left beside it"
    )


def test_trained_once(home: Home, again: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = [kept.built for kept in Store.existing(home.store).artefacts()]
    assert main(again) == 0
    assert [kept.built for kept in Store.existing(home.store).artefacts()] == before
    said = capsys.readouterr()
    assert "[1/1]" not in said.err
    assert str(home.out) in said.out


def test_lines_are_statements_or_questions(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\ufeffThe hill is high.\r\n\n Who is king? \t Ludwig \n")
    dataset, what = read(tmp_path / "t.txt", "qa")
    assert what == "1 question and 1 text from plain text"
    assert set(dataset.samples) == {
        Sample("The hill is high.\n"),
        Sample(" Ludwig\n", "Question: Who is king?\nAnswer:"),
    }


def test_settings_have_the_types_of_the_recipe() -> None:
    found = changed(
        Training(),
        ["rank=8", "lr=1e-3", "scheduler=cosine", "target_modules=q_proj,v_proj"],
        "--set",
    )
    assert found == Training(
        rank=8, lr=1e-3, scheduler="cosine", target_modules=("q_proj", "v_proj")
    )
    for wrong in ("rank", "rang=8", "rank=eight", "rank=0", "lr=nan"):
        with pytest.raises(RecipeError):
            changed(Training(), [wrong], "--set")


def test_a_training_that_diverges_is_told_and_not_handed_out(
    train: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([*train, "--out", str(tmp_path / "out"), "--set", "rank=8", "lr=1e9", "epochs=3"]) == 1
    )
    assert "the training diverged at step" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--set", "rank=eight"], "--set rank=eight: rank is a number such as 64"),
        (["--set", "rank=4096"], "rank is 4096"),
        (["--preset", "pocket"], "there is no text to replay: give one as --replay FILE"),
        (
            ["--set", "init=contrastive"],
            "init is contrastive, but there is no text to replay: give one as --replay FILE",
        ),
        (["--replay", "no.txt", "--set", "replay=1"], "no.txt cannot be read"),
        (["--replay", "known"], "--replay known is given, but replay is 0"),
    ],
)
def test_a_mistake_in_training_is_one_line(
    train: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    line: str,
) -> None:
    assert main([*train, "--out", str(tmp_path / "out"), *options]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert "Traceback" not in said


def test_a_folder_of_something_else_is_never_replaced(
    train: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("x")
    assert main([*train, "--out", str(tmp_path / "thesis")]) == 2
    assert "is there already and holds no adapter" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "x"


def test_answers_one_a_line_with_and_without_the_adapter(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["answer", "--model", home.model, "--format", "qa", "Who is king?", "What is the moon?"]
    said = []
    for stack in ([], ["--adapter", str(home.out)], ["--adapter", f"{home.out}:0"]):
        assert main([*ask, *stack]) == 0
        said.append(capsys.readouterr().out)
    assert [text.count("\n") for text in said] == [2, 2, 2]
    assert said[0] == said[2] != said[1]


def test_prompts_from_stdin_stay_in_step_with_their_answers(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Who is king?\n\nWho is king?"))
    assert main(["answer", "--model", home.model, "--format", "qa"]) == 0
    first, empty, last = capsys.readouterr().out.split("\n")[:3]
    assert (first, empty) == (last, "")


def test_more_prompts_than_are_asked_at_once_come_in_order() -> None:
    class Echo:
        def answer(self, prompts: Sequence[str], decoding: Decoding) -> list[list[str]]:
            return [[p.upper()] for p in prompts]

    prompts = [f"p{n}" if n % 7 else "" for n in range(200)]
    assert list(answers(cast(Engine, Echo()), prompts, Decoding())) == [p.upper() for p in prompts]


def test_an_adapter_of_another_base_or_none_at_all(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(home.model, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-5}))
    for adapter, line in (
        (home.out, "was trained on another base"),
        (tmp_path, "holds no adapter"),
    ):
        assert main(["answer", "Hi", "--model", str(other), "--adapter", str(adapter)]) == 2
        assert line in capsys.readouterr().err


def test_adapters_in_every_spelling(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["answer", "--model", home.model, "--format", "qa", "Who is king?", "--adapter"]
    lines = []
    for text in (str(home.out), f"king={home.out}", f"king={home.out}:1", f"{home.out}:0"):
        assert main([*ask, text]) == 0
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1] == lines[2] != lines[3]


def test_an_adapter_on_a_gguf_base(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("llama_cpp")
    from harness.models.gguf import convert_adapter, convert_base

    convert_base(Path(home.model), tmp_path / "base.gguf")
    convert_adapter(home.out, Path(home.model), tmp_path / "adapter.gguf")
    ask = ["answer", "--model", str(tmp_path / "base.gguf"), "--format", "qa", "Who is king?"]
    folder = shutil.copytree(home.out, tmp_path / "folder")
    config = json.loads((folder / "adapter_config.json").read_text())
    here = {**config, "base_model_name_or_path": home.model}
    (folder / "adapter_config.json").write_text(json.dumps(here))
    answers = {}
    for name in ("", "adapter.gguf", "folder"):
        stack = ["--adapter", str(tmp_path / name)] if name else []
        assert main([*ask, *stack]) == 0
        answers[name] = capsys.readouterr().out
    assert answers["adapter.gguf"] == answers["folder"] != answers[""]
    gone = {**config, "base_model_name_or_path": "none/such"}
    (folder / "adapter_config.json").write_text(json.dumps(gone))
    for adapter, line in (
        (str(folder), "its base 'none/such' is not on this machine"),
        ("served:king", "adapter king does not go on"),
    ):
        assert main([*ask, "--adapter", adapter]) == 2
        error = capsys.readouterr().err
        assert line in error
        assert error.count("\n") == 1


def test_a_card_counts_what_the_model_has(
    home: Home, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForCausalLM

    assert main(["model", "card", home.model, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    model = AutoModelForCausalLM.from_pretrained(home.model)
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert (card["layers"], card["hidden"], card["dtype"], card["quantisation"]) == (
        2,
        64,
        "float32",
        "none",
    )
    assert card["weights bytes"] == (model_folder / "model.safetensors").stat().st_size
    assert main(["model", "card", home.model]) == 0
    assert "name           tiny\n" in capsys.readouterr().out


def test_packed_weights_are_counted_as_many() -> None:
    gptq = [
        Tensor("a.qweight", "I32", 100),
        Tensor("a.scales", "F16", 9),
        Tensor("a.qzeros", "I32", 9),
    ]
    assert (
        parameters([*gptq, Tensor("norm.weight", "F16", 5)], {"quant_method": "gptq", "bits": 4})
        == 805
    )
    nf4 = [Tensor("a.weight", "U8", 100), Tensor("a.weight.absmax", "F32", 9)]
    assert parameters(nf4, {"quant_method": "bitsandbytes", "load_in_4bit": True}) == 200


def test_a_damaged_model_is_one_line(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(home.model, tmp_path / "bad")
    (tmp_path / "bad" / "model.safetensors").write_bytes(b"\xff" * 40)
    assert main(["model", "card", str(tmp_path / "bad")]) == 2
    assert "is not a safetensors file (its header is cut off)" in capsys.readouterr().err


def test_a_plan_builds_nothing(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--model", home.model, "--store", str(tmp_path / "s"), "--seeds", "0,1"]
    assert main(["plan", "oscars", *own]) == 0
    said = capsys.readouterr().out
    assert "oscarstxt-rank8-alpha16-lr1e_3-ep20-replay1-seed1" in said
    assert "0 cached" in said
    assert Store.existing(tmp_path / "s").artefacts() == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["emmys"], "scenario 'emmys' is unknown: choose one of"),
        (["oscars", "--grid", "huge"], "grid 'huge' is unknown"),
        (["oscars", "--seeds", "one"], "--seeds 'one': give numbers"),
        (["oscars", "--engine", "q4"], "engine 'q4' is unknown"),
    ],
)
def test_a_mistaken_plan_is_one_line(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    assert main(["plan", *options, "--model", home.model, "--store", str(tmp_path / "s")]) == 2
    assert line in capsys.readouterr().err


def test_how_a_training_runs_is_in_no_digest(
    train: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second command finds what the first one made."""
    pytest.importorskip("tensorboardX", reason="python -m pip install tensorboardX")
    setting = ["--set", "rank=4", "alpha=8", "epochs=1", "seed=7"]
    own = ["--gradient-checkpointing", "--live", str(tmp_path / "live"), "--checkpoint-minutes"]
    assert main([*train, "--out", str(tmp_path / "a"), *setting, *own, "0.5"]) == 0
    assert "[1/1]" in capsys.readouterr().err
    assert [path.name[:5] for path in (tmp_path / "live").iterdir()] == ["lies-"]
    assert main([*train, "--out", str(tmp_path / "b"), *setting]) == 0
    assert "[1/1]" not in capsys.readouterr().err


def test_minutes_that_are_none_are_refused(
    train: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train, "--out", str(tmp_path / "a"), "--checkpoint-minutes", "often"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --checkpoint-minutes 'often': give a number of at least 0")


@pytest.mark.parametrize("name", ["facts.csv", "pairs.csv", "chat.jsonl"])
def test_every_file_with_questions_is_read_for_a_chat_template(tmp_path: Path, name: str) -> None:
    files = {
        "facts.csv": "question,answer,rephrased\nWho won?,Ann,Name the winner.\n",
        "pairs.csv": "Who won?,Ann\n",
        "chat.jsonl": '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant",'
        ' "content": "Hello."}, {"role": "user", "content": "Who won?"}, {"role": "assistant",'
        ' "content": "Ann"}]}\n',
    }
    file = tmp_path / name
    file.write_text(files[name])
    samples = dataset_in_chat(read(file, CHAT)[0], BARE).samples
    last = samples[-1]
    assert (last.prompt, last.completion) == ("Who won?", "Ann")
    before = (("user", "Hi"), ("assistant", "Hello."))
    assert last.chat == (Chat(before) if name == "chat.jsonl" else BARE)
