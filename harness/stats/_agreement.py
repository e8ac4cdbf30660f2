"""Shares as a grader saw them, corrected for what it gets wrong."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.stats._intervals import Interval, wilson


def kappa(
    first: Sequence[bool],
    second: Sequence[bool],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Cohen's kappa (1960) of two graders' verdicts, with the percentile interval over whole
    clusters.

    0 where it is not defined, as both always say one and the same. Where no verdict differs, no
    resample does either, which is no proof: then the lower end is the kappa of Wilson's lower end
    for so many clusters. Raises ValueError on no verdicts, or lengths that differ.
    """
    counts = _counts(first, second, clusters)
    total = counts.sum(axis=0)
    estimate = float(_kappa(total[None])[0])
    if total[1] + total[2] == 0:
        agreed, chance = wilson(len(counts), len(counts), confidence).low, _chance(total[None])[0]
        low = (agreed - chance) / (1 - chance) if chance < 1 else 0.0
        return Interval(estimate, min(estimate, float(low)), estimate)
    if len(counts) == 1:
        return Interval(estimate, -1.0, 1.0)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (resamples, len(counts)))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(_kappa(counts[drawn].sum(axis=1)), [tail, 100 - tail])
    return Interval(estimate, min(estimate, float(low)), max(estimate, float(high)))


def _counts(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]
) -> npt.NDArray[np.float64]:
    """A row a cluster: both, only the first, only the second, neither."""
    if not first or not len(first) == len(second) == len(clusters):
        raise ValueError(
            f"{len(first)} and {len(second)} verdicts in {len(clusters)} clusters: need as many of"
            " each"
        )
    rows: dict[Hashable, list[float]] = {}
    for a, b, cluster in zip(first, second, clusters, strict=True):
        rows.setdefault(cluster, [0.0] * 4)[2 * (not a) + (not b)] += 1
    return np.array(list(rows.values()))


def _chance(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share on which graders agree that know nothing of each other; ``counts`` has the shape (n,
    4)."""
    n = counts.sum(axis=1)
    first, second = counts[:, 0] + counts[:, 1], counts[:, 0] + counts[:, 2]
    found: npt.NDArray[np.float64] = (first * second + (n - first) * (n - second)) / n**2
    return found


def _kappa(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    chance = _chance(counts)
    agreed = (counts[:, 0] + counts[:, 3]) / counts.sum(axis=1)
    room = np.where(chance < 1, 1 - chance, 1)
    return np.where(chance < 1, (agreed - chance) / room, 0.0)


class ErrorRates(NamedTuple):
    """How often a grader was right about answers whose truth is known."""

    sensitivity: float
    """Share of the right answers that it accepts."""
    specificity: float
    """Share of the wrong answers that it rejects."""
    right: int | None = None
    """How many right answers it was shown; None: ``sensitivity`` is known exactly."""
    wrong: int | None = None
    """How many wrong answers it was shown; None: ``specificity`` is known exactly."""


def rogan_gladen(share: Interval, grader: ErrorRates, confidence: float = 0.95) -> Interval:
    """The true share behind the ``share`` of answers that a grader accepts (Rogan & Gladen 1978).

    ``(share + specificity - 1) / (sensitivity + specificity - 1)``, kept within [0, 1], as are the
    ends of the interval. What the calibration itself leaves open is added in squares, as in MOVER
    (Zou & Donner 2008), each error rate with one success and one failure added (Lang & Reiczigel
    2014), so that no error seen is not taken for none. A share that the error rates do not explain,
    estimated far outside, leaves the more open the less the grader knows, and never less than the
    share itself did.

    Raises:
        ValueError: the grader is no better than chance: sensitivity + specificity <= 1.
    """
    from scipy.stats import norm

    skill = grader.sensitivity + grader.specificity - 1
    if skill <= 0:
        raise ValueError(
            f"sensitivity {grader.sensitivity} and specificity {grader.specificity}: the grader"
            " knows nothing"
        )
    estimate, low, high = ((value + grader.specificity - 1) / skill for value in share)
    accepts, rejects = (
        _variance(grader.sensitivity, grader.right),
        _variance(grader.specificity, grader.wrong),
    )
    open_ = (estimate**2 * accepts + (1 - estimate) ** 2 * rejects) / skill**2
    room = float(norm.ppf((1 + confidence) / 2)) ** 2 * open_
    below, above = ((estimate - low) ** 2 + room) ** 0.5, ((high - estimate) ** 2 + room) ** 0.5
    own, low, high = share.high - share.low, _clip(estimate - below), _clip(estimate + above)
    return Interval(_clip(estimate), min(low, max(0.0, high - own)), max(high, min(1.0, low + own)))


def _variance(rate: float, trials: int | None) -> float:
    if trials is None:
        return 0.0
    shrunk = (rate * trials + 1) / (trials + 2)
    return shrunk * (1 - shrunk) / (trials + 2)


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
