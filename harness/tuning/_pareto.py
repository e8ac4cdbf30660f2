"""Settings by what they reach: recall, locality, seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.recipes import Training

PER_DOUBLING = 0.005
"""Of the score, for each doubling of the training's seconds: half a point for twice the time."""


class Trial(NamedTuple):
    """A setting that was tried."""

    training: Training
    recall: float
    """Share of rephrased questions that are answered right."""
    locality: float
    """Share of questions on untouched facts that are answered as the base answers."""
    seconds: float
    """Of its training."""


def score(trial: Trial) -> float:
    """The rule of the recommendation: the harmonic mean of recall and locality, less ``PER_DOUBLING`` a doubling of
    the seconds. The harmonic mean lets neither make up for the loss of the other."""
    both = trial.recall + trial.locality
    mean = 2 * trial.recall * trial.locality / both if both else 0.0
    return mean - PER_DOUBLING * math.log2(max(trial.seconds, 1.0))


def best(trials: Sequence[Trial]) -> Trial:
    """The one that the rule recommends; of equals the first. Raises ValueError on none."""
    return max(trials, key=score)


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Trials that no other beats in one of recall, locality and seconds without being worse in another."""
    return [one for one in trials if not any(_beats(other, one) for other in trials)]


def shortfall(trial: Trial, trials: Sequence[Trial]) -> float:
    """How far below the front of ``trials`` one lies: what both its recall and its locality lack of another that took
    no longer. The additive epsilon indicator of Zitzler et al. 2003, on the two shares; 0 on the front."""
    as_fast = [other for other in trials if other.seconds <= trial.seconds]
    lacks = (min(other.recall - trial.recall, other.locality - trial.locality) for other in as_fast)
    return max(0.0, max(lacks, default=0.0))


def _beats(one: Trial, other: Trial) -> bool:
    ours, theirs = ((t.recall, t.locality, -t.seconds) for t in (one, other))
    return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))
