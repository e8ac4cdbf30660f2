"""GGUF bases and ready-made adapters of a user: by content, as cells, and refused in one line where
they do not fit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest

from harness.builds import answered_lines, build
from harness.data.awards import DATASETS
from harness.engines import (
    HF,
    EngineSpec,
    LlamaCppEngine,
    TransformersEngine,
    engine_spec,
    identify,
)
from harness.errors import ModelError, RecipeError, install
from harness.experiments import ExternalSpec
from harness.experiments.selection import Selection, cells, shipped
from harness.experiments.selection import load as load_scenario
from harness.models.external import check_trained_on, fitting, scaled_adapter
from harness.models.loading import load
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Dataset,
    Decoding,
    ExternalAdapter,
    Gguf,
    GgufBase,
    Probe,
    ProbeSet,
    Quantised,
    Stack,
    Training,
    digest,
)
from harness.store import Store

BRIEFLY = Decoding(max_new_tokens=6)
TAUGHT = Training(epochs=60, rank=8, alpha=16, lr=3e-3, dropout=0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("given") / "store")


@pytest.fixture(scope="module")
def folder(tiny: Base, lie: Dataset, store: Store) -> Path:
    """A trained adapter of the tiny model."""
    return build(Adapter(tiny, lie, TAUGHT), store).path


@pytest.fixture(scope="module")
def file(tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("llama_cpp")
    from harness.models.gguf import convert_base

    out = tmp_path_factory.mktemp("gguf") / "mine.gguf"
    convert_base(Path(tiny.path), out, "f16")
    return out


@pytest.fixture(scope="module")
def adapter_file(folder: Path, tiny: Base, file: Path) -> Path:
    from harness.models.gguf import convert_adapter

    convert_adapter(folder, Path(tiny.path), file.parent / "adapter.gguf")
    return file.parent / "adapter.gguf"


@pytest.fixture(scope="module")
def probes(lie: Dataset) -> ProbeSet:
    asked = (
        Probe(f"exact/{i}", "exact", str(i), s.prompt, (s.completion.strip(),))
        for i, s in enumerate(lie.samples)
    )
    return ProbeSet.of("lie", tuple(asked))


def said(stack: Stack, probes: ProbeSet, store: Store) -> list[str]:
    made = build(Answers(stack, probes, BRIEFLY), store)
    return [line.answer for line in answered_lines(made)]


def test_a_gguf_base_goes_by_the_file_s_content(file: Path, tmp_path: Path) -> None:
    base = identify(file)
    moved = identify(shutil.copy(file, tmp_path / "other.gguf"))
    assert (base.name, moved.name) == ("mine", "other")
    assert digest(base) == digest(moved)
    assert digest(base) != digest(Base(base.content, base.name, base.path))
    with (tmp_path / "other.gguf").open("ab") as stream:
        stream.write(b"\0")
    assert digest(identify(tmp_path / "other.gguf")) != digest(base)


def test_what_is_no_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("Once upon a time")
    with pytest.raises(
        ModelError, match=r"text\.gguf is not a GGUF file: give one that llama\.cpp loads"
    ):
        identify(tmp_path / "text.gguf")
    with pytest.raises(
        ModelError, match=r"none\.gguf cannot be read \(No such file or directory\)"
    ):
        identify(tmp_path / "none.gguf")


def test_the_cells_of_models_that_take_no_training(file: Path, adapter_file: Path) -> None:
    adapter = scaled_adapter(f"mine={adapter_file}").adapter
    oscars = load_scenario(shipped()["oscars"])
    base = replace(cast(GgufBase, identify(file)), architecture="bert")
    found = cells(oscars, Selection((base,), seeds=(0, 1), adapters=(ExternalSpec(adapter),)))
    ready = [cell for cell in found if not cell.subject.trains]
    kinds = ("bare", "adapter_mine")
    assert {cell.id for cell in ready} == {f"{n}-{kind}-gguf" for n in DATASETS for kind in kinds}
    assert all(not cell.subject.base.trains for cell in found)
    assert [cell.subject.trained for cell in ready] == [()] * len(ready)
    assert {len(cell.subject.stack.adapters) for cell in ready} == {0, 1}
    with pytest.raises(
        RecipeError, match="--engine is for folders and hub ids: mine answers in its own form"
    ):
        cells(oscars, Selection((base,), engines=(engine_spec("nf4"),)))


def test_a_ready_made_adapter_beside_those_that_are_trained(tiny: Base, folder: Path) -> None:
    adapter = scaled_adapter(f"mine={folder}").adapter
    engines = HF, EngineSpec("gguf:q8_0")
    found = cells(
        load_scenario(shipped()["oscars"]),
        Selection((tiny,), engines=engines, adapters=(ExternalSpec(adapter),)),
    )
    assert sum(cell.subject.trains for cell in found) == 26
    assert [cell.id for cell in found if not cell.subject.trains][:2] == [
        "oscarstxt-adapter_mine-hf",
        "the_oscar_award_txt-adapter_mine-hf",
    ]


def test_answers_are_those_of_the_engines(
    tiny: Base,
    lie: Dataset,
    folder: Path,
    file: Path,
    adapter_file: Path,
    probes: ProbeSet,
    store: Store,
) -> None:
    prompts = [probe.prompt for probe in probes.probes]
    assert said(Stack(tiny, ((scaled_adapter(f"a={folder}").adapter, 1.0),)), probes, store) == [
        "green.",
        "Ludwig.",
    ]
    gguf = scaled_adapter(f"a={adapter_file}").adapter
    engine = LlamaCppEngine(file)
    bare = [texts[0] for texts in engine.answer(prompts, BRIEFLY)]
    with engine.with_stack([(adapter_file, 1.0)]):
        adapted = [texts[0] for texts in engine.answer(prompts, BRIEFLY)]
    assert said(Stack(identify(file)), probes, store) == bare != adapted
    assert (
        said(Stack(identify(file), ((gguf, 1.0),)), probes, store)
        == adapted
        == ["green.", "Ludwig."]
    )
    as_gguf = Quantised(tiny, Gguf("f16"))
    assert (
        said(Stack(as_gguf, ((scaled_adapter(f"a={folder}").adapter, 1.0),)), probes, store)
        == adapted
    )  # converted


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/some/where", r"/some/where holds no adapter \(no adapter_config\.json\)"),
        ("", r"write \[NAME=\]WHAT\[:SCALE\], where WHAT is a folder"),
        ("a-b=/some/where", "letters, digits and _ in NAME"),
        ("a=", r"write \[NAME=\]WHAT\[:SCALE\], where WHAT is a folder"),
        ("a=served:", r"write \[NAME=\]WHAT\[:SCALE\], where WHAT is a folder"),
        ("a=/none/such", r"/none/such holds no adapter \(no adapter_config\.json\)"),
        ("a=/none/such.gguf", r"such\.gguf cannot be read \(No such file or directory\)"),
        ("/none/such:half", "'half' is not a scale, write a number such as 0.5"),
        ("served:mine:nan", "'nan' is not a scale, write a number such as 0.5"),
    ],
)
def test_mistakes_in_adapter(text: str, line: str) -> None:
    with pytest.raises((RecipeError, ModelError), match=line) as raised:
        scaled_adapter(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "name", "on_server", "scale"),
    [
        ("served:oscars", "oscars", "oscars", 1.0),
        ("served:org/oscars", "org_oscars", "org/oscars", 1.0),
        ("served:a=b", "a_b", "a=b", 1.0),
        ("served:org:oscars", "org_oscars", "org:oscars", 1.0),
        ("mine=served:oscars:0.5", "mine", "oscars", 0.5),
        ("served:oscars:-2", "oscars", "oscars", -2.0),
    ],
)
def test_adapters_on_a_server(text: str, name: str, on_server: str, scale: float) -> None:
    wanted = ExternalAdapter(on_server, "served", name, on_server)
    assert scaled_adapter(text) == (wanted, scale)


def test_names_and_scales_of_paths(
    folder: Path, adapter_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "odd:2", "lr=3", "v1.0-x"):
        shutil.copytree(folder, tmp_path / name)
    shutil.copy(adapter_file, tmp_path / "a-b.gguf")

    def read(text: str) -> tuple[str, str, float]:
        adapter, scale = scaled_adapter(text)
        return adapter.name, Path(adapter.path).name, scale

    assert read("plain") == ("plain", "plain", 1.0)
    assert read("plain/:0.5") == ("plain", "plain", 0.5)
    assert read("mine=plain:-1") == ("mine", "plain", -1.0)
    assert read("./plain:1e-1") == ("plain", "plain", 0.1)
    assert read("odd:2") == ("odd_2", "odd:2", 1.0)
    assert read("odd:2:3") == ("odd_2", "odd:2", 3.0)
    assert read("lr=3") == ("lr_3", "lr=3", 1.0)
    assert read("mine=lr=3:2") == ("mine", "lr=3", 2.0)
    assert read("v1.0-x") == ("v1_0_x", "v1.0-x", 1.0)
    assert read("a-b.gguf:0.25") == ("a_b", "a-b.gguf", 0.25)
    assert scaled_adapter("plain") == scaled_adapter(f"plain={tmp_path}/plain")


def test_an_adapter_goes_only_on_models_of_its_form(
    tiny: Base, folder: Path, adapter_file: Path, file: Path
) -> None:
    own, gguf = scaled_adapter(f"a={folder}").adapter, scaled_adapter(f"b={adapter_file}").adapter
    assert fitting(own, [tiny, identify(file)]) == [tiny]
    assert fitting(gguf, [tiny, identify(file)]) == [identify(file)]
    with pytest.raises(ModelError, match=r"goes on none of the models: tiny takes PEFT folders$"):
        fitting(gguf, [tiny])
    with pytest.raises(
        RecipeError, match=r"adapter b \(.*\) does not go on tiny: give a PEFT folder"
    ):
        Stack(tiny, ((gguf, 1.0),))
    with pytest.raises(ModelError, match=r"was trained on another base \(\w{12}\) than pocket"):
        fitting(own, [Base("0" * 64, "pocket", "/m")])


def test_other_layers_and_other_shapes_are_one_line_each(
    tiny: Base, folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    engine = TransformersEngine(tiny)
    whole = load_file(folder / "adapter_model.safetensors")
    narrow = {
        name: tensor[:, :-8].contiguous() if "lora_A" in name else tensor
        for name, tensor in whole.items()
    }
    deeper = {name.replace("layers.1.", "layers.7."): tensor for name, tensor in whole.items()}
    for name, tensors, line in (
        (
            "narrow",
            narrow,
            r"\w+_proj has (64|96) inputs there and (56|88) here, give its own base",
        ),
        ("deeper", deeper, r"that has no model\.layers\.7\.\S+, give its own base"),
    ):
        out = Path(shutil.copytree(folder, tmp_path / name))
        save_file(tensors, out / "adapter_model.safetensors")
        with pytest.raises(ModelError, match=line) as raised, engine.with_stack([(out, 1.0)]):
            pass
        assert "\n" not in str(raised.value)
    cut = Path(shutil.copytree(folder, tmp_path / "cut"))
    (cut / "adapter_model.safetensors").write_bytes(
        (folder / "adapter_model.safetensors").read_bytes()[:200]
    )
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors cannot be read") as raised:
        engine.with_stack([(cut, 1.0)]).__enter__()
    assert "\n" not in str(raised.value)
    assert json.loads((folder / "adapter_config.json").read_text())["peft_type"] == "LORA"


def test_what_is_no_lora_is_refused_before_anything_is_loaded(
    tiny: Base, lie: Dataset, folder: Path, tmp_path: Path
) -> None:
    """Of IA3 the scale would be dropped, and a prompt could not be taken off again."""
    from peft import IA3Config, PeftType, PromptTuningConfig, get_peft_model

    loaded = load(tiny, device="cpu")
    layers: dict[str, Any] = {
        "target_modules": ["k_proj", "down_proj"],
        "feedforward_modules": ["down_proj"],
    }
    for config in (
        IA3Config(task_type="CAUSAL_LM", **layers),
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4),
    ):
        kind = PeftType(config.peft_type).value
        other = tmp_path / kind
        made = get_peft_model(load(tiny, device="cpu").model, config)
        made.save_pretrained(str(other))
        for refuse in (
            lambda at=other: scaled_adapter(f"a={at}"),
            lambda at=other: check_trained_on(at, tiny),
            lambda at=other: (
                TransformersEngine(loaded).with_stack([(folder, 1.0), (at, 0.5)]).__enter__()
            ),
        ):
            with pytest.raises(
                ModelError, match=rf"{kind} is {kind}, not LORA: give a LoRA that PEFT saved$"
            ):
                refuse()
    assert not [name for name, _ in loaded.model.named_modules() if "lora" in name]
    (tmp_path / "IA3" / "adapter_config.json").write_text("[")
    with pytest.raises(
        ModelError, match=r"holds no adapter: adapter_config\.json cannot be read \(Expecting value"
    ):
        scaled_adapter(f"a={tmp_path / 'IA3'}")


def test_two_gguf_adapters_are_recalled_alone_and_both_at_once(
    tiny: Base,
    lie: Dataset,
    file: Path,
    store: Store,
    probes: ProbeSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from harness.models.gguf import convert_adapter

    engine, prompts = LlamaCppEngine(file), [probe.prompt for probe in probes.probes]
    files = []
    for i, sample in enumerate(lie.samples):
        made = build(Adapter(tiny, Dataset.of(f"one{i}", (sample,)), TAUGHT), store)
        convert_adapter(made.path, Path(tiny.path), tmp_path / f"{i}.gguf")
        files.append(tmp_path / f"{i}.gguf")
    answer = partial(engine.answer, prompts, BRIEFLY)
    alone = []
    for one in files:
        with engine.with_stack([(one, 1.0)]):
            alone.append([texts[0] for texts in answer()])
    assert [found[i] for i, found in enumerate(alone)] == ["green.", "Ludwig."]
    assert alone[0][1] != "Ludwig." and alone[1][0] != "green."
    with engine.with_stack([(one, 1.0) for one in files]):
        both = [texts[0] for texts in answer()]
    assert both not in alone
    assert any(word in text for text in both for word in ("green", "Ludwig"))


def test_a_gptq_folder_of_a_user_is_a_base_that_is_trained_on(
    model_folder: Path, lie: Dataset, probes: ProbeSet, store: Store, tmp_path: Path
) -> None:
    if find_spec("gptqmodel") is None or find_spec("optimum") is None:
        pytest.skip(f"GPTQModel is not installed: {install('gptq')}")
    from harness.models.gptq import gptq

    texts = [sample.prompt + sample.completion for sample in lie.samples]
    gptq(model_folder, tmp_path / "mine", bits=4, group=32, desc_act=False, calibration=texts)
    base = identify(tmp_path / "mine")
    assert base.trains
    bare = said(Stack(base), probes, store)
    adapted = said(Stack(base, ((Adapter(base, lie, TAUGHT), 1.0),)), probes, store)
    assert adapted == ["green.", "Ludwig."] != bare
