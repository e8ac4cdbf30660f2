"""Progress of a training: its log, its divergence, and a forecast of its duration."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import stdev
from typing import Any, NamedTuple

from harness.stats import Interval

LOG = "log.jsonl"
"""File in the folder of an adapter, with one line for each step."""


class Progress(NamedTuple):
    """The state of a training after a step."""

    name: str
    """Name of the dataset."""
    step: int
    """Counted from 1."""
    steps: int
    """Number of steps in the whole training."""
    loss: float
    """Loss of the batch, before its update."""
    tokens: int
    """Tokens since the start."""
    seconds: float
    """Seconds since the start, without the time between a break and going on."""
    lr: float = math.nan
    """Learning rate of the step."""
    notes: tuple[str, ...] = ()
    """Lines for the user; only the first step of a run has any."""
    first: int = 1
    """The first step of this run; above 1 it went on from a checkpoint."""

    @property
    def left(self) -> float:
        """Seconds until the end, at the mean rate so far."""
        return self.seconds / self.step * (self.steps - self.step)

    def __str__(self) -> str:
        """Such as ``step 12/80, loss 2.13, 0.8 steps/s, 410 tokens/s, 1:25 left``."""
        step = f"step {self.step}/{self.steps}, loss {self.loss:.3g}"
        rates = f"{self.step / self.seconds:.2g} steps/s, {self.tokens / self.seconds:.0f} tokens/s"
        return f"{step}, {rates}, {_clock(self.left)} left"


def _clock(seconds: float) -> str:
    """``1:25`` or ``3:01:25``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


OnStep = Callable[[Progress], None]
"""Called after each step of a training."""


PATIENCE = 3
"""Consecutive steps beyond the bound that are a divergence; trainings recover from fewer."""


class Divergence:
    """Compares each loss with the model before training.

    A loss is beyond the bound where three things hold. It exceeds twice the loss of guessing,
    2 ln(vocabulary). It exceeds the first loss by half that of guessing, ln(vocabulary) / 2. And it
    exceeds the loss of the bare base on the same batch by as much. So neither improbable text nor a
    hard batch late in a healthy training counts as divergence.
    """

    def __init__(self, vocabulary: int, first: float = math.nan, in_a_row: int = 0) -> None:
        """A training that goes on gives its ``first`` loss, and how many steps were beyond."""
        self._guessing = math.log(vocabulary)
        self._first = first
        self.in_a_row = in_a_row
        """Consecutive steps until now that were beyond the bound."""

    def diverged(self, loss: float, bare: Callable[[], float]) -> bool:
        """Whether the training has diverged after one more step.

        ``loss`` is that of the step, in nats per token. ``bare`` computes the loss of the bare
        base on the same batch.
        """
        if math.isnan(self._first):
            self._first = loss
        self.in_a_row = self.in_a_row + 1 if self.beyond(loss, bare) else 0
        return self.in_a_row >= PATIENCE or not math.isfinite(loss)

    def beyond(self, loss: float, bare: Callable[[], float]) -> bool:
        """Whether ``loss`` alone is worse than the text explains."""
        if not math.isfinite(loss):
            return True
        excess = loss - self._guessing / 2
        # Last, as it is slow: bare() runs the base on the batch.
        return loss > 2 * self._guessing and excess > self._first and excess > bare()


Step = Mapping[str, Any]
"""A line of log.jsonl: ``epoch`` from 1, ``tokens`` of the step, ``seconds`` since the start."""


def read_log(folder: Path) -> list[Step]:
    """The steps of the training of the adapter in ``folder``."""
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def forecast(log: Sequence[Step]) -> Interval:
    """Predicted duration divided by the measured one; 1 is a correct forecast.

    The prediction is made from the first epoch. The seconds per token come from its steps without
    the first, which includes warm-up; the tokens of later epochs are known in advance. The interval
    is that of the mean seconds per token over those steps, by the normal approximation.

    Raises:
        ValueError: the first epoch has fewer than two steps.
    """
    ends = [0.0, *(float(step["seconds"]) for step in log)]
    durations = [after - before for before, after in pairwise(ends)]
    sample = [i for i in range(1, len(log)) if log[i]["epoch"] == 1]
    if not sample:
        raise ValueError("the first epoch has fewer than two steps: lower the batch size")
    each = [durations[i] / log[i]["tokens"] for i in sample]
    rate = sum(durations[i] for i in sample) / sum(log[i]["tokens"] for i in sample)
    error = 1.96 * stdev(each) / math.sqrt(len(each)) if len(each) > 1 else rate
    rest = sum(step["tokens"] for step in log[1:])

    def ratio(rate: float) -> float:
        return float(durations[0] + rate * rest) / ends[-1]

    return Interval(ratio(rate), ratio(max(0.0, rate - error)), ratio(rate + error))
