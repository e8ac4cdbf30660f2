"""Windows that begin alike, with their start computed once: the same loss and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.models.loading import Loaded, resident
from harness.recipes import Base, Training
from harness.training._adapted import adapted, target_modules
from harness.training._batches import loss_of, shared_start, shares_starts, tensors
from harness.training._windows import Window

START = tuple(range(5, 29))
"""Longer than the least that is shared."""
TRAINING = Training(rank=8, alpha=16, dropout=0.0)
SIZES = ((9, 4, False), (14, 2, False), (5, 1, False), (11, 3, True), (6, 1, True))
"""Tokens after the start, those of them without loss, and whether it is replayed."""


@pytest.fixture
def loaded(tiny: Base) -> Loaded:
    return resident(tiny)


@pytest.fixture
def batch() -> list[Window]:
    return [
        Window((*START, *range(40 + 20 * n, 40 + 20 * n + length)), len(START) + before, replay)
        for n, (length, before, replay) in enumerate(SIZES)
    ]


def test_what_is_shared_ends_before_the_loss(batch: list[Window]) -> None:
    # the logits of the last token before the loss differ from window to window
    assert shared_start(batch) == len(START)
    assert shared_start([*batch, Window(batch[0].ids, len(START))]) == len(START) - 1
    assert shared_start(batch[:1]) == 0
    assert shared_start([*batch, Window(tuple(range(90, 130)), 30)]) == 0


@pytest.mark.parametrize("kl", [0.0, 1.0])
def test_loss_and_gradients_are_those_of_whole_windows(
    loaded: Loaded, batch: list[Window], kl: float
) -> None:
    assert shares_starts(loaded, TRAINING.cutoff)
    with adapted(loaded, TRAINING, target_modules(loaded, TRAINING)) as model:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        results: list[tuple[float, list[Any]]] = []
        for shared in (False, True):
            micro = tensors(batch, 0, loaded.device, packed=True, shared=shared)
            loss = loss_of(model, micro, kl)
            loss.backward()
            trained = [p for p in model.parameters() if p.requires_grad]
            results.append((float(loss.detach()), [p.grad for p in trained]))
            for parameter in trained:
                parameter.grad = None
    (whole, expected), (once, found) = results
    assert once == pytest.approx(whole, rel=1e-4)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_fewer_tokens_are_computed(loaded: Loaded, batch: list[Window]) -> None:
    whole = tensors(batch, 0, loaded.device, packed=True)
    once = tensors(batch, 0, loaded.device, packed=True, shared=True)
    assert once.ids.numel() < 0.7 * whole.ids.numel()
    assert sorted(once.targets.tolist()) == sorted(whole.targets.tolist())


def test_a_model_with_a_sliding_window_has_its_own_masks(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded.model.config, "sliding_window", 32, raising=False)
    assert not shares_starts(loaded, cutoff=64)
    assert shares_starts(loaded, cutoff=32)
