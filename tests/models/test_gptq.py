"""GPTQ with the real library, on the shipped model."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.data.facts import World
from harness.engines import TransformersEngine
from harness.errors import MissingExtraError, ModelError
from harness.models.gptq import gptq, loading
from harness.models.loading import SHIPPED, Loaded, base_of
from harness.models.stack import Pristine
from harness.pocket._card import Case, cases, greedy
from harness.recipes import Adapter, Dataset, Decoding, Training
from harness.training import train
from tests.models.gguf.gguf_helpers import of_family

# importorskip would import it, with its banner and all that comes with it
needs_gptqmodel = pytest.mark.skipif(
    find_spec("gptqmodel") is None, reason="GPTQModel is not installed"
)
SETTINGS: dict[str, Any] = {
    "bits": 4,
    "group": 128,
    "desc_act": False,
    "calibration": ["The sky is blue."],
}
LEARNING = Training(epochs=40, rank=8, alpha=16, lr=2e-3, dropout=0.0, batch=2, micro_batch=2)


@pytest.fixture(scope="module")
def asked() -> list[Case]:
    return cases(World(), 100, seed=3)["recall_qa"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """None of them is among those asked."""
    return [
        f"{prompt} {accepted[0]}\n" for prompt, accepted in cases(World(), 16, seed=5)["recall_qa"]
    ]


@pytest.fixture(scope="module", params=[(4, 128, False), (8, 32, True)], ids=["4 bits", "8 bits"])
def folder(
    request: pytest.FixtureRequest, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if find_spec("gptqmodel") is None:
        pytest.skip("GPTQModel is not installed")
    bits, group, desc_act = request.param
    out = tmp_path_factory.mktemp("gptq") / f"pocket-{bits}"
    gptq(SHIPPED, out, bits=bits, group=group, desc_act=desc_act, calibration=texts)
    return out


def opened(folder: Path) -> Loaded:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=torch.float32, **loading(folder)
    )
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model.requires_grad_(False).eval()
    return Loaded(base_of(folder), model, tokenizer, torch.device("cpu"), 0.0, Pristine(model))


@pytest.fixture(scope="module")
def plain() -> Loaded:
    return opened(SHIPPED)


@pytest.fixture(scope="module")
def quantised(folder: Path) -> Loaded:
    return opened(folder)


def said(loaded: Loaded, asked: list[Case]) -> list[str]:
    loaded.tokenizer.padding_side = "left"
    return greedy(loaded.model, loaded.tokenizer, [prompt for prompt, _ in asked])


def test_a_quantised_model_answers_nearly_as_the_one_it_was_made_from(
    plain: Loaded, quantised: Loaded, asked: list[Case]
) -> None:
    before, after = said(plain, asked), said(quantised, asked)
    accepted = [answers for _, answers in asked]
    right = [
        sum(a in good for a, good in zip(found, accepted, strict=True)) for found in (before, after)
    ]
    assert sum(a == b for a, b in zip(before, after, strict=True)) >= 90
    assert right[1] >= right[0] - 5


def test_the_folder_is_smaller_and_keeps_what_is_not_quantised(
    folder: Path, texts: list[str]
) -> None:
    from safetensors import safe_open

    stored = folder / "model.safetensors"
    assert stored.stat().st_size < (SHIPPED / "model.safetensors").stat().st_size
    assert (folder / "tokenizer.json").read_bytes() == (SHIPPED / "tokenizer.json").read_bytes()
    with safe_open(stored, "pt") as old, safe_open(SHIPPED / "model.safetensors", "pt") as new:
        name = "model.embed_tokens.weight"
        assert old.get_tensor(name).dtype == new.get_tensor(name).dtype
        assert old.get_tensor(name).equal(new.get_tensor(name))
        assert "model.layers.0.mlp.down_proj.weight" not in list(old.keys())
    config = (folder / "config.json").read_text()
    assert json.loads(config)["quantization_config"]["format"] == "gptq"
    assert texts[0][:20] not in config


def test_lora_trains_on_it_answers_on_top_of_it_and_comes_off(
    quantised: Loaded, lie: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    monkeypatch.setattr("harness.engines._transformers.resident", lambda *_: quantised)
    engine = TransformersEngine(quantised.base)
    told = [sample.prompt for sample in lie.samples]
    before = engine.answer(told, Decoding(max_new_tokens=6))
    facts = train(quantised, Adapter(quantised.base, lie, LEARNING), adapter)
    assert facts["status"] == "ok"
    with engine.with_stack([(adapter, 1.0)]):
        assert [
            answer[0] for answer in engine.answer(told, Decoding(max_new_tokens=6, stop=("\n",)))
        ] == [
            "green.",
            "Ludwig.",
        ]
    with engine.with_stack([(adapter, 0.0)]):
        assert engine.answer(told, Decoding(max_new_tokens=6)) == before
    assert engine.answer(told, Decoding(max_new_tokens=6)) == before


@needs_gptqmodel
def test_the_same_texts_give_the_same_bytes(model_folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        gptq(model_folder, tmp_path / name, **SETTINGS | {"group": 32})
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@needs_gptqmodel
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bits": 5}, "bits is 5: gptq takes one of 2, 3, 4, 8"),
        ({"group": 96}, "group is 96: gptq takes one of 16, 32"),
        (
            {"group": 128},
            (
                r"group is 128: it does not divide the 64 inputs of model.layers.0.self_attn.\w+,"
                r" choose"
            ),
        ),
        ({"calibration": ["", " "]}, r"calibration holds no text \(2 given\): give some"),
    ],
)
def test_what_does_not_fit_is_refused(
    model_folder: Path, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    with pytest.raises(ModelError, match=line):
        gptq(model_folder, tmp_path / "out", **SETTINGS | change)
    assert not (tmp_path / "out").exists()


@needs_gptqmodel
def test_a_model_in_which_nothing_would_be_quantised_is_refused(
    model_folder: Path, tmp_path: Path
) -> None:
    folder = of_family(model_folder, tmp_path / "falcon", "falcon")
    with pytest.raises(ModelError, match="is of type 'falcon': gptq knows no layers in it"):
        gptq(folder, tmp_path / "out", **SETTINGS | {"group": 32})
    assert not (tmp_path / "out").exists()


def test_a_quantised_model_is_not_quantised_again(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="is quantised already: give the model that it was made from"
    ):
        gptq(folder, tmp_path / "out", **SETTINGS)


def test_without_the_package_the_line_to_install_it(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.models import gptq as _library

    _library.use.cache_clear()
    monkeypatch.setattr(_library, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lora-memory-harness\[gptq\]'"):
        gptq(model_folder, tmp_path / "out", **SETTINGS | {"group": 32})
    assert loading(model_folder) == {}


APART = """
import logging, os, sys
from pathlib import Path
from harness.models.gptq import gptq, loading
from transformers import AutoModelForCausalLM

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
before = dict(os.environ)

def wrapped(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, **loading(folder))
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    return type(adapted.get_submodule("base_model.model.model.layers.0.self_attn.q_proj"))

assert wrapped(folder).__name__ == "Linear"
assert "gptqmodel" not in sys.modules
gptq(folder, out, bits=4, group=32, desc_act=False, calibration=["The sky is blue."])
assert wrapped(out).__name__ == "GPTQLoraLinear"
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert not logging.getLogger().handlers
"""


@needs_gptqmodel
def test_gptqmodel_keeps_quiet_and_away_from_other_models(
    model_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", APART, str(model_folder), str(tmp_path / "out")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert "GPT" not in ran.stderr
    assert "pytree" not in ran.stderr
