"""How well two graders agree, and shares corrected for a grader's error rates."""

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
    """Cohen's kappa (1960) of two graders' verdicts, with a percentile interval over clusters.

    Kappa is undefined where both graders always give the same single verdict; it is 0 here then.
    Where no verdict differs, no resample differs either, which would look like certainty. There
    the lower end is the kappa at Wilson's lower end for that many clusters.

    Raises ValueError on no verdicts, or lengths that differ.
    """
    counts = _counts(first, second, clusters)
    total = counts.sum(axis=0)
    estimate = float(_kappa(total[None])[0])
    if total[1] + total[2] == 0:
        agreed = wilson(len(counts), len(counts), confidence).low
        chance = _chance(total[None])[0]
        low = (agreed - chance) / (1 - chance) if chance < 1 else 0.0
        return Interval(estimate, min(estimate, float(low)), estimate)
    if len(counts) == 1:
        return Interval(estimate, -1.0, 1.0)
    draws = np.random.default_rng(seed).integers(0, len(counts), (resamples, len(counts)))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(_kappa(counts[draws].sum(axis=1)), [tail, 100 - tail])
    return Interval(estimate, min(estimate, float(low)), max(estimate, float(high)))


def _counts(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]
) -> npt.NDArray[np.float64]:
    """One row for each cluster: answers accepted by both, first only, second only, neither."""
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
    """Agreement of independent graders with the same rates; ``counts`` has the shape (n, 4)."""
    n = counts.sum(axis=1)
    first = counts[:, 0] + counts[:, 1]
    second = counts[:, 0] + counts[:, 2]
    agreement: npt.NDArray[np.float64] = (first * second + (n - first) * (n - second)) / n**2
    return agreement


def _kappa(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Kappa of each row of ``counts``, which has the shape (n, 4)."""
    chance = _chance(counts)
    agreed = (counts[:, 0] + counts[:, 3]) / counts.sum(axis=1)
    # np.where computes both branches: without this, it would divide by 0 where chance is 1.
    room = np.where(chance < 1, 1 - chance, 1)
    return np.where(chance < 1, (agreed - chance) / room, 0.0)


class ErrorRates(NamedTuple):
    """How often a grader was right about labelled answers."""

    sensitivity: float
    """Share of the right answers that it accepts."""
    specificity: float
    """Share of the wrong answers that it rejects."""
    right: int | None = None
    """Number of right answers in the calibration; None: ``sensitivity`` is known exactly."""
    wrong: int | None = None
    """Number of wrong answers in the calibration; None: ``specificity`` is known exactly."""


def rogan_gladen(share: Interval, grader: ErrorRates, confidence: float = 0.95) -> Interval:
    """The true share behind the ``share`` of answers that a grader accepts (Rogan & Gladen 1978).

    ``(share + specificity - 1) / (sensitivity + specificity - 1)``, limited to [0, 1]; so are the
    ends of the interval. The uncertainty of the calibration is added in squares, as in MOVER (Zou
    & Donner 2008). Each error rate gets one more success and one more failure (Lang & Reiczigel
    2014): otherwise a calibration without errors would count as proof that there are none.

    The error rates may not explain a share, and the estimate then lies far outside [0, 1]. The
    interval is then wider for a weaker grader, and never narrower than that of ``share``.

    Raises:
        ValueError: the grader is no better than chance: sensitivity + specificity <= 1.
    """
    from scipy.stats import norm

    skill = grader.sensitivity + grader.specificity - 1
    if skill <= 0:
        raise ValueError(
            f"sensitivity {grader.sensitivity} and specificity {grader.specificity}: the grader"
            " is no better than chance, use another"
        )
    estimate, low, high = ((value + grader.specificity - 1) / skill for value in share)
    right = _variance(grader.sensitivity, grader.right)
    wrong = _variance(grader.specificity, grader.wrong)
    variance = (estimate**2 * right + (1 - estimate) ** 2 * wrong) / skill**2
    squared = float(norm.ppf((1 + confidence) / 2)) ** 2 * variance
    below = ((estimate - low) ** 2 + squared) ** 0.5
    above = ((high - estimate) ** 2 + squared) ** 0.5
    low = _clip(estimate - below)
    high = _clip(estimate + above)
    width = share.high - share.low
    return Interval(
        _clip(estimate),
        min(low, max(0.0, high - width)),
        max(high, min(1.0, low + width)),
    )


def _variance(rate: float, trials: int | None) -> float:
    """Variance of an estimated rate, with one success and one failure added; 0 if known exactly."""
    if trials is None:
        return 0.0
    shrunk = (rate * trials + 1) / (trials + 2)
    return shrunk * (1 - shrunk) / (trials + 2)


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
