"""What a paired comparison can find, so that nobody reads noise, or takes silence for proof."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.stats._intervals import Interval, Table, resampled, totals, wilson

Alternative = Literal["two-sided", "less", "greater"]
"""What a test looks for: ``less`` is after below before."""

_ROWS = 4096  # sign patterns held in memory at a time
_ENOUGH = 200  # patterns as low as what was seen, after which the p-value is known well enough
_INTERVAL = 2000  # resamples that are enough for an interval


class McNemar(NamedTuple):
    """Questions whose verdict changed, and the chance of a split so uneven."""

    lost: int
    """Right before, wrong after."""
    gained: int
    p: float


class Paired(NamedTuple):
    """The mean of after minus before."""

    difference: Interval
    p: float
    clusters: int
    spread: float
    """Standard deviation of the clusters' differences: the standard error is ``spread /
    sqrt(clusters)``."""


def mcnemar(
    before: Sequence[bool], after: Sequence[bool], alternative: Alternative = "two-sided"
) -> McNemar:
    """McNemar's exact test (scipy's binomial test on the verdicts that changed); takes questions as
    independent."""
    from scipy.stats import binomtest

    pairs = list(zip(before, after, strict=True))
    lost = sum(bool(b and not a) for b, a in pairs)
    gained = sum(bool(a and not b) for b, a in pairs)
    changed = lost + gained
    return McNemar(
        lost, gained, float(binomtest(gained, changed, 0.5, alternative).pvalue) if changed else 1.0
    )


def paired_bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    clusters: Sequence[Hashable],
    alternative: Alternative = "two-sided",
    tolerance: float = 0.0,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Paired:
    """Compare values that belong to the same questions, where questions of one cluster stand or
    fall together.

    The interval is that of ``cluster_bootstrap`` on the differences. The p-value is a wild cluster
    bootstrap with the null imposed (Cameron, Gelbach & Miller 2008): each cluster's deviation from
    the null keeps or turns its sign. With 23 clusters and a correction for many tests the
    percentile interval's own tail alarms too often (measured: up to three times the level), as
    three facts lost and none won are too easily taken for proof.

    Args:
        before: values of the questions, for example 1 for right and 0 for wrong. after: values of
        the same questions in the same order. clusters: what each question belongs to, for example
        its fact. alternative: ``less``: lower by more than ``tolerance``; ``greater``: higher by
        more; or either. tolerance: a difference that does not matter. confidence: of the interval.
        resamples: sets the smallest p-value that can come out, ``1 / (resamples + 1)``. seed: the
        same seed gives the same figures.

    Raises:
        ValueError: no values, or lengths that differ.
    """
    if len(before) != len(after):
        raise ValueError(
            f"{len(before)} values before and {len(after)} after: they must belong to the same"
            " questions"
        )
    table = totals([a - b for b, a in zip(before, after, strict=True)], clusters)
    estimate = float(table[:, 0].sum() / table[:, 1].sum())
    low, high = _ends(table, estimate, confidence, min(resamples, _INTERVAL), seed)
    less = (
        _wild(table[:, 0] + tolerance * table[:, 1], resamples, seed)
        if alternative != "greater"
        else 1.0
    )
    greater = (
        _wild(tolerance * table[:, 1] - table[:, 0], resamples, seed)
        if alternative != "less"
        else 1.0
    )
    p = min(1.0, 2 * min(less, greater)) if alternative == "two-sided" else min(less, greater)
    return Paired(Interval(estimate, low, high), p, len(table), _spread(table, estimate))


def _ends(
    table: Table, estimate: float, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """The interval's ends; clusters that are all alike say no more than so many trials without a
    surprise."""
    if np.ptp(table[:, 0] / table[:, 1]) > 0:
        return resampled(table, confidence, resamples, seed)
    room = wilson(0, len(table), confidence).high
    return max(-1.0, estimate - room), min(1.0, estimate + room)


def _wild(deviations: npt.NDArray[np.float64], resamples: int, seed: int) -> float:
    """Share of sign patterns whose sum is as low as the sum of ``deviations``; never 0 (Phipson &
    Smyth 2010).

    Large p-values need few patterns, so drawing stops early (Besag & Clifford 1991).
    """
    rng, hits, drawn, seen = np.random.default_rng(seed), 0, 0, float(deviations.sum()) + 1e-9
    while drawn < resamples and hits < _ENOUGH:
        rows = min(_ROWS, resamples - drawn)
        signs = 2.0 * rng.integers(0, 2, (rows, len(deviations)), dtype=np.int8) - 1
        hits += int((signs @ deviations <= seen).sum())
        drawn += rows
    return (1 + hits) / (drawn + 1)


def _spread(table: Table, estimate: float) -> float:
    count = len(table)
    if count == 1:
        return 0.0
    residuals = (table[:, 0] - estimate * table[:, 1]) / table[:, 1].mean()
    return float(np.sqrt((residuals**2).sum() / (count - 1)))


def holm(ps: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """Adjusted p-values, in the order given, that bound the chance of any false alarm (Holm 1979).

    ``weights`` say how much of that chance goes to each test before any data are seen; all alike by
    default. Raises ValueError on lengths that differ, or weights that are not positive.
    """
    shares = [1.0] * len(ps) if weights is None else list(weights)
    if len(shares) != len(ps) or min(shares, default=1.0) <= 0:
        raise ValueError(f"weights {shares} for {len(ps)} tests: give each one above 0")
    adjusted, floor, left = [0.0] * len(ps), 0.0, sum(shares)
    for index in sorted(range(len(ps)), key=lambda i: ps[i] / shares[i]):
        floor = max(floor, min(1.0, ps[index] * max(1.0, left / shares[index])))
        adjusted[index] = floor
        left -= shares[index]
    return adjusted


def detectable_difference(
    clusters: int, spread: float, alpha: float = 0.05, power: float = 0.8, tolerance: float = 0.0
) -> float:
    """The smallest true difference that a one-sided paired test finds with ``power``.

    ``tolerance + (t[1 - alpha] + t[power]) * spread / sqrt(clusters)``, t of ``clusters - 1``
    degrees of freedom: the minimum detectable effect of Bloom 1995, with the clusters' differences
    as the observations. ``spread`` is their standard deviation, see ``Paired``. Raises ValueError
    on fewer than two clusters.
    """
    return tolerance + _factor(clusters, alpha, power) * spread / sqrt(clusters)


def detectable_loss(
    clusters: int,
    questions: float = 1.0,
    together: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
    tolerance: float = 0.0,
) -> float:
    """The smallest share of verdicts turned from right to wrong that a paired test finds, before
    any data are seen.

    A loss of d has the variance d (1 - d) in one question (Connor 1987, all changes in one
    direction), and ``(1 + (questions - 1) * together) / questions`` times that in the mean of a
    cluster of ``questions`` (the design effect of Kish 1965): ``together`` is 1 where a fact is
    lost in all its wordings at once, 0 where the loss is spread evenly. Solved for d with the
    factor of ``detectable_difference``; 1.0 where nothing less is found.
    """
    from scipy.optimize import brentq

    factor = _factor(clusters, alpha, power)
    share = (1 + (questions - 1) * together) / questions / clusters

    def gap(loss: float) -> float:
        return float(loss - tolerance - factor * (loss * (1 - loss) * share) ** 0.5)

    return 1.0 if gap(1.0) <= 0 else float(brentq(gap, tolerance + 1e-9, 1.0))


def _factor(clusters: int, alpha: float, power: float) -> float:
    from scipy.stats import t

    if clusters < 2:
        raise ValueError(f"{clusters} clusters: need at least 2 to tell a difference from chance")
    return float(t.ppf(1 - alpha, clusters - 1) + t.ppf(power, clusters - 1))
