"""Packed windows give the same logits and the same loss as each window alone."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from harness.models.loading import Loaded, resident
from harness.recipes import Base
from harness.training._batches import keeps_apart, logits_of, loss_of, tensors
from harness.training._windows import Window

SIZES = ((9, 6, False), (30, 2, False), (4, 3, True), (17, 16, True), (21, 9, True))


@pytest.fixture
def loaded(tiny: Base) -> Loaded:
    return resident(tiny)


@pytest.fixture
def batch() -> list[Window]:
    return [
        Window(tuple(range(5 + n, 5 + n + length)), start, replay)
        for n, (length, start, replay) in enumerate(SIZES)
    ]


def test_packed_windows_have_the_logits_of_each_alone(loaded: Loaded, batch: list[Window]) -> None:
    with torch.no_grad():
        packed = tensors(batch, 0, loaded.device, packed=True)
        by_target = dict(
            zip(packed.targets.tolist(), logits_of(cast(Any, loaded.model), packed), strict=True)
        )
        for window in batch:
            alone = tensors([window], 0, loaded.device)
            for target, logits in zip(
                alone.targets.tolist(), logits_of(cast(Any, loaded.model), alone), strict=True
            ):
                if sum(target in w.ids[w.start :] for w in batch) == 1:
                    torch.testing.assert_close(by_target[target], logits, atol=1e-4, rtol=1e-4)


def test_packing_takes_fewer_rows_and_no_more_tokens(loaded: Loaded, batch: list[Window]) -> None:
    padded = tensors(batch, 0, loaded.device, packed=False)
    packed = tensors(batch, 0, loaded.device, packed=True)
    assert len(packed.ids) < len(padded.ids) == len(batch)
    assert packed.ids.numel() < padded.ids.numel()
    assert sorted(packed.targets.tolist()) == sorted(padded.targets.tolist())


@pytest.mark.parametrize("packed", [False, True])
def test_the_replayed_rows_are_the_last(loaded: Loaded, batch: list[Window], packed: bool) -> None:
    micro = tensors(batch, 0, loaded.device, packed)
    alone = micro.replayed()
    expected = [i for w in batch if w.replay for i in w.ids[w.start :]]
    assert sorted(alone.targets.tolist()) == sorted(expected)
    assert alone.ids.view(-1)[alone.indices + 1].tolist() == alone.targets.tolist()


@pytest.mark.parametrize("kl", [0.0, 1.0])
def test_the_loss_is_the_same(loaded: Loaded, batch: list[Window], kl: float) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(
        r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    model = get_peft_model(loaded.model, config)
    try:
        padded, packed = (
            loss_of(model, tensors(batch, 0, loaded.device, each), kl).detach()
            for each in (False, True)
        )
        assert float(padded) == pytest.approx(float(packed), rel=1e-4)
        separate = sum(
            float(loss_of(model, tensors([w], 0, loaded.device), kl).detach()) for w in batch
        )
        assert float(packed) == pytest.approx(separate, rel=1e-4)
    finally:
        model.unload()


def test_packing_needs_a_model_that_uses_positions(loaded: Loaded) -> None:
    assert keeps_apart(loaded)

    class Counting:
        """Accepts no positions, like models with ALiBi."""

        def __call__(self, input_ids: torch.Tensor, use_cache: bool) -> Any:
            return loaded.model(input_ids=input_ids, use_cache=use_cache)

    class Ignoring:
        """Accepts positions but ignores them, so windows attend to each other."""

        def __call__(
            self, input_ids: torch.Tensor, use_cache: bool, position_ids: torch.Tensor | None = None
        ) -> Any:
            return loaded.model(input_ids=input_ids, use_cache=use_cache)

    assert not keeps_apart(loaded._replace(model=cast(Any, Counting())))
    assert not keeps_apart(loaded._replace(model=cast(Any, Ignoring())))
