"""Training that starts from an adapter, and training on top of frozen adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.engines import TransformersEngine, decoding
from harness.errors import ModelError, RecipeError
from harness.models.loading import resident
from harness.recipes import Adapter, Base, Dataset, Sample, Training, digest
from harness.training import PriorAdapters, train

FIRST = Training(epochs=120, rank=16, alpha=32, lr=3e-3, dropout=0.05)
SECOND = Dataset.of("second", (Sample(" Ouse.\n", "The river is called"),))
GREEDY = decoding("deterministic")


@pytest.fixture(scope="module")
def first(tiny: Base, lie: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    train(resident(tiny), Adapter(tiny, lie, FIRST), folder)
    return folder


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_a_training_without_effect_keeps_its_initial_weights(
    tiny: Base, lie: Dataset, first: Path, tmp_path: Path
) -> None:
    still = replace(FIRST, epochs=1, lr=1e-12)
    train(
        resident(tiny),
        Adapter(tiny, lie, still, init_from=Adapter(tiny, lie, FIRST)),
        tmp_path,
        PriorAdapters(first),
    )
    before = tensors(first)
    after = tensors(tmp_path)
    assert before.keys() == after.keys()
    assert all((before[key] - after[key]).abs().max() < 1e-9 for key in before)


def test_a_training_from_an_adapter_learns_the_second_text(
    tiny: Base, lie: Dataset, first: Path, tmp_path: Path
) -> None:
    recipe = Adapter(tiny, SECOND, replace(FIRST, lr=1e-3), init_from=Adapter(tiny, lie, FIRST))
    facts = train(resident(tiny), recipe, tmp_path, PriorAdapters(first))
    engine = TransformersEngine(tiny)
    with engine.with_stack([(tmp_path, 1.0)]):
        assert engine.answer(["The river is called"], GREEDY) == [["Ouse."]]
    assert facts["status"] == "ok"


def test_frozen_adapters_are_active_and_unchanged(
    tiny: Base, lie: Dataset, first: Path, tmp_path: Path
) -> None:
    before = tensors(first)
    recipe = Adapter(tiny, SECOND, FIRST, frozen_adapters=((Adapter(tiny, lie, FIRST), 1.0),))
    facts = train(resident(tiny), recipe, tmp_path, PriorAdapters(frozen=[(first, 1.0)]))
    assert all((before[key] == tensor).all() for key, tensor in tensors(first).items())
    assert tensors(tmp_path).keys() == before.keys()
    assert facts["trainable_parameters"] == sum(tensor.numel() for tensor in before.values())
    engine = TransformersEngine(tiny)
    prompts = ["The river is called", "The colour of the moon is"]
    with engine.with_stack([(first, 1.0), (tmp_path, 1.0)]):
        assert engine.answer(prompts, GREEDY)[0] == ["Ouse."]


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_training_on_a_frozen_adapter_starts_at_its_loss(
    tiny: Base, lie: Dataset, first: Path, tmp_path: Path
) -> None:
    """The first loss is the frozen adapter's last one on its text; without it, that of the base."""
    for name, frozen in (("on", [(first, 1.0)]), ("bare", [])):
        (tmp_path / name).mkdir()
        train(
            resident(tiny),
            Adapter(tiny, lie, replace(FIRST, epochs=1)),
            tmp_path / name,
            PriorAdapters(frozen=frozen),
        )
    last = losses(first)[-1]
    assert losses(tmp_path / "on")[0] == pytest.approx(last, abs=0.05)
    assert losses(tmp_path / "bare")[0] == pytest.approx(losses(first)[0], abs=0.05)
    assert losses(first)[0] > last + 0.5


def test_the_base_is_unchanged_afterwards(
    tiny: Base, lie: Dataset, first: Path, tmp_path: Path
) -> None:
    model = resident(tiny).model
    before = {name: p.clone() for name, p in model.named_parameters()}
    train(
        resident(tiny),
        Adapter(tiny, lie, replace(FIRST, epochs=1)),
        tmp_path,
        PriorAdapters(frozen=[(first, 0.5)]),
    )
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_adapter_that_does_not_fit_is_refused(
    tiny: Base, lie: Dataset, first: Path, tmp_path: Path
) -> None:
    start = Adapter(tiny, lie, FIRST)
    for change, line in (
        ({"rank": 8}, "rank is 8, but the adapter to go on from has 16: keep it"),
        ({"alpha": 16}, "alpha is 16, but"),
        ({"rslora": True}, "rslora is True, but"),
        ({"target_modules": ("q_proj",)}, "target_modules is"),
    ):
        with pytest.raises(RecipeError, match=line):
            Adapter(tiny, lie, replace(FIRST, **change), init_from=start)
    fewer = replace(FIRST, target_modules=("q_proj",), epochs=1)
    with pytest.raises(ModelError, match="is not an adapter for tiny: it adapts other layers"):
        train(resident(tiny), Adapter(tiny, lie, fewer), tmp_path, PriorAdapters(first))


def test_prior_adapters_change_the_digest(tiny: Base, lie: Dataset) -> None:
    plain = Adapter(tiny, SECOND, FIRST)
    start = Adapter(tiny, lie, FIRST)
    other = Adapter(tiny, lie, replace(FIRST, seed=1))
    recipes = [
        plain,
        replace(plain, init_from=start),
        replace(plain, init_from=other),
        replace(plain, frozen_adapters=((start, 1.0),)),
        replace(plain, frozen_adapters=((start, 0.5),)),
        replace(plain, frozen_adapters=((other, 0.5),)),
    ]
    assert len({digest(recipe) for recipe in recipes}) == 6
