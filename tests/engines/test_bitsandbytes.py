"""bitsandbytes: bases quantised while they load, trained on (QLoRA) and answered with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.engines import TransformersEngine, decoding
from harness.errors import ModelError
from harness.models.loading import base_of, load
from harness.recipes import Adapter, Base, BitsAndBytes, Dataset, Quantised, Training
from harness.training import train
from tests.models.gguf.gguf_helpers import of_family

pytest.importorskip("bitsandbytes", reason="python -m pip install 'lora-memory-harness[bnb]'")

FORMS = [
    BitsAndBytes("nf4"),
    BitsAndBytes("nf4", double=True),
    BitsAndBytes("fp4"),
    BitsAndBytes("int8"),
]
ASKED = ["The colour of the moon is", "The king of the hill is"]
GREEDY = decoding("deterministic")


@pytest.mark.parametrize("by", FORMS, ids=lambda by: by.kind + ("dq" if by.double else ""))
def test_it_learns_on_the_quantised_base_and_leaves_it_as_it_was(
    tiny: Base, lie: Dataset, tmp_path: Path, by: BitsAndBytes
) -> None:
    loaded = load(tiny, "float32", "cpu", by)
    layer = next(module for name, module in loaded.model.named_modules() if name.endswith("q_proj"))
    assert "bitsandbytes" in type(layer).__module__
    full = load(tiny, "float32", "cpu").model
    assert loaded.model.get_memory_footprint() < full.get_memory_footprint()
    engine = TransformersEngine(loaded)
    before = engine.answer(ASKED, GREEDY)
    training = Training(epochs=120, rank=32, lr=3e-3, dropout=0.0)
    facts = train(loaded, Adapter(Quantised(tiny, by), lie, training), tmp_path)
    assert facts["status"] == "ok"
    assert engine.answer(ASKED, GREEDY) == before
    with engine.with_stack([(tmp_path, 1.0)]):
        assert engine.answer(ASKED, GREEDY) == [["green."], ["Ludwig."]]
    assert engine.answer(ASKED, GREEDY) == before


def test_an_adapter_of_the_full_base_serves_the_quantised_one(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    train(
        load(tiny, "float32", "cpu"),
        Adapter(tiny, lie, Training(epochs=200, rank=32, lr=3e-3, dropout=0.0)),
        tmp_path,
    )
    engine = TransformersEngine(load(tiny, "float32", "cpu", BitsAndBytes("int8")))
    with engine.with_stack([(tmp_path, 1.0)]):
        assert engine.answer(ASKED, GREEDY) == [["green."], ["Ludwig."]]


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_weights_that_are_missing_are_not_made_up(
    model_folder: Path, tmp_path: Path, kind: str
) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(model_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError,
        match=r"lacks 1 of its weights, model\.layers\.1\.mlp\.up_proj\.weight the first",
    ):
        load(base_of(folder), "float32", "cpu", BitsAndBytes(kind))


def test_a_model_in_which_nothing_is_quantised_is_refused(
    model_folder: Path, tmp_path: Path
) -> None:
    """Falcon has linear layers of a class of its own, which bitsandbytes leaves as they are."""
    folder = of_family(model_folder, tmp_path / "falcon", "falcon")
    load(base_of(folder), "float32", "cpu")
    with pytest.raises(ModelError, match=r"falcon cannot be nf4: .* no linear layer in it"):
        load(base_of(folder), "float32", "cpu", BitsAndBytes("nf4"))


def test_experts_that_stay_unquantised_are_named(
    model_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = of_family(model_folder, tmp_path / "mixtral", "mixtral", num_local_experts=2)
    load(base_of(folder), "float32", "cpu")
    assert not caplog.messages
    load(base_of(folder), "float32", "cpu", BitsAndBytes("nf4"))
    assert caplog.messages == ["experts of mixtral are no linear layers: they are not quantised"]
