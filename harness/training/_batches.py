"""The order of the windows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from harness.recipes import Training
from harness.training._windows import Window

Batch = list[list[Window]]
"""One optimiser step: micro-batches of windows of like length."""


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


def _drawn(replay: Sequence[Window], count: int, dice: random.Random) -> list[Window]:
    """``count`` windows, each as often as any other, give or take one."""
    drawn: list[Window] = []
    while replay and len(drawn) < count:
        drawn += dice.sample(replay, min(len(replay), count - len(drawn)))
    return drawn


def _cut(batch: list[Window], micro: int) -> Batch:
    """Micro-batches of like length, so that little is padding where each window has a row of its own."""
    ordered = sorted(batch, key=lambda w: len(w.ids))
    return [ordered[left : left + micro] for left in range(0, len(ordered), micro)]
