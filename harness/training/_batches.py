"""The order of the windows, and the tensors of a micro-batch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.recipes import Training
from harness.training._windows import Window

if TYPE_CHECKING:
    import torch

Batch = list[list[Window]]
"""One optimiser step: micro-batches of windows of like length."""


class Tensors(NamedTuple):
    """A right-padded micro-batch of ``rows`` x ``tokens``; the flat parts have one item a loss-bearing position."""

    ids: torch.Tensor
    """int64, rows x tokens."""
    mask: torch.Tensor | None
    """int64, rows x tokens, 1 on text; None where no row is padded."""
    at: torch.Tensor
    """int64, flat: indices into rows * tokens of the positions whose next token bears loss."""
    targets: torch.Tensor
    """int64, flat: those next tokens."""


def epochs(train: Sequence[Window], replay: Sequence[Window], training: Training) -> Iterator[tuple[int, Batch]]:
    """(epoch from 1, batch) over all epochs, shuffled by ``training.seed``."""
    dice = random.Random(training.seed)
    for epoch in range(1, training.epochs + 1):
        mixed = [*train, *_drawn(replay, round(training.replay * len(train)), dice)]
        dice.shuffle(mixed)
        for left in range(0, len(mixed), training.batch):
            yield epoch, _cut(mixed[left : left + training.batch], training.micro_batch)


def steps(train: int, training: Training) -> int:
    """Optimiser steps of the whole training on ``train`` windows."""
    mixed = train + round(training.replay * train)
    return training.epochs * -(-mixed // training.batch)


def tensors(windows: Sequence[Window], pad: int, device: torch.device) -> Tensors:
    """Pad ``windows`` on the right to their longest."""
    import torch

    width = max(len(w.ids) for w in windows)
    ids = torch.tensor([w.ids + (pad,) * (width - len(w.ids)) for w in windows]).to(device)
    at = torch.tensor([r * width + i - 1 for r, w in enumerate(windows) for i in range(w.start, len(w.ids))]).to(device)
    mask = None
    if any(len(w.ids) < width for w in windows):
        mask = torch.tensor([[1] * len(w.ids) + [0] * (width - len(w.ids)) for w in windows]).to(device)
    return Tensors(ids, mask, at, ids.view(-1)[at + 1])


def _drawn(replay: Sequence[Window], count: int, dice: random.Random) -> list[Window]:
    """``count`` windows, each as often as any other, give or take one."""
    drawn: list[Window] = []
    while replay and len(drawn) < count:
        drawn += dice.sample(replay, min(len(replay), count - len(drawn)))
    return drawn


def _cut(batch: list[Window], micro: int) -> Batch:
    """Micro-batches of like length, so that little is padding; replay apart, as KL treats it differently."""
    ordered = sorted(batch, key=lambda w: (w.replay, len(w.ids)))
    cuts: Batch = []
    for window in ordered:
        if cuts and len(cuts[-1]) < micro and cuts[-1][-1].replay == window.replay:
            cuts[-1].append(window)
        else:
            cuts.append([window])
    return cuts
