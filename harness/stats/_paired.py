"""Paired tests on the same questions, Holm's correction, and the smallest detectable change."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.stats._intervals import Interval, Table, resampled, totals, wilson

Alternative = Literal["two-sided", "less", "greater"]
"""The alternative hypothesis: ``less`` means that after is below before."""

_ROWS = 4096  # sign patterns that are in memory at the same time
_ENOUGH = 200  # hits after which the p-value is precise enough to stop drawing
_INTERVAL = 2000  # resamples that are enough for an interval


class McNemar(NamedTuple):
    """Questions whose verdict changed, and the p-value of so uneven a split."""

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
    """Standard deviation of the clusters' differences.

    The standard error of the mean is ``spread / sqrt(clusters)``.
    """


def mcnemar(
    before: Sequence[bool], after: Sequence[bool], alternative: Alternative = "two-sided"
) -> McNemar:
    """McNemar's exact test: scipy's binomial test on the verdicts that changed.

    It assumes independent questions.
    """
    from scipy.stats import binomtest

    pairs = list(zip(before, after, strict=True))
    lost = sum(bool(b and not a) for b, a in pairs)
    gained = sum(bool(a and not b) for b, a in pairs)
    if not lost + gained:
        return McNemar(lost, gained, 1.0)
    return McNemar(lost, gained, float(binomtest(gained, lost + gained, 0.5, alternative).pvalue))


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
    """Compare two values for each question, where questions of one cluster are not independent.

    The interval is that of ``cluster_bootstrap`` on the differences. The p-value comes from a wild
    cluster bootstrap under the null hypothesis (Cameron, Gelbach & Miller 2008): each cluster's
    deviation from the null keeps or changes its sign at random. The tail of the percentile
    interval is no replacement. With 23 clusters and a correction for many tests it gives up to
    three times the nominal rate of false alarms (measured).

    Args:
        before: one value for each question, for example 1 for right and 0 for wrong.
        after: values of the same questions in the same order.
        clusters: the cluster of each question, for example its fact.
        alternative: ``less``: lower by more than ``tolerance``; ``greater``: higher by more than
            it; ``two-sided``: either.
        tolerance: a difference that does not matter.
        confidence: of the interval.
        resamples: sets the smallest possible p-value, ``1 / (resamples + 1)``.
        seed: the same seed gives the same figures.

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
    # Deviations from the null hypothesis nearest to each side: a difference of the tolerance.
    less = greater = 1.0
    if alternative != "greater":
        less = _wild(table[:, 0] + tolerance * table[:, 1], resamples, seed)
    if alternative != "less":
        greater = _wild(tolerance * table[:, 1] - table[:, 0], resamples, seed)
    p = min(less, greater)
    if alternative == "two-sided":
        p = min(1.0, 2 * p)
    return Paired(Interval(estimate, low, high), p, len(table), _spread(table, estimate))


def _ends(
    table: Table, estimate: float, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Ends of the interval of the mean difference.

    Clusters with equal differences give equal resamples; then Wilson's interval sets the width.
    """
    if np.ptp(table[:, 0] / table[:, 1]) > 0:
        return resampled(table, confidence, resamples, seed)
    room = wilson(0, len(table), confidence).high
    return max(-1.0, estimate - room), min(1.0, estimate + room)


def _wild(deviations: npt.NDArray[np.float64], resamples: int, seed: int) -> float:
    """Share of random signs for which the sum of ``deviations`` is as low as without them.

    Never 0 (Phipson & Smyth 2010). Large p-values need few draws, so drawing stops early (Besag &
    Clifford 1991).
    """
    rng = np.random.default_rng(seed)
    bound = float(deviations.sum()) + 1e-9  # equal sums can differ in their last bits
    hits = drawn = 0
    while drawn < resamples and hits < _ENOUGH:
        rows = min(_ROWS, resamples - drawn)
        signs = 2.0 * rng.integers(0, 2, (rows, len(deviations)), dtype=np.int8) - 1
        hits += int((signs @ deviations <= bound).sum())
        drawn += rows
    return (1 + hits) / (drawn + 1)


def _spread(table: Table, estimate: float) -> float:
    """See ``Paired.spread``; 0 for one cluster."""
    count = len(table)
    if count == 1:
        return 0.0
    residuals = (table[:, 0] - estimate * table[:, 1]) / table[:, 1].mean()
    return float(np.sqrt((residuals**2).sum() / (count - 1)))


def holm(ps: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """Adjusted p-values, in the same order, that bound the chance of any false alarm (Holm 1979).

    ``weights`` divide that chance among the tests and must be set before any data are seen; equal
    by default. Raises ValueError on lengths that differ, or weights that are not positive.
    """
    shares = [1.0] * len(ps) if weights is None else list(weights)
    if len(shares) != len(ps) or min(shares, default=1.0) <= 0:
        raise ValueError(f"weights {shares} for {len(ps)} tests: give each one above 0")
    adjusted = [0.0] * len(ps)
    floor = 0.0  # adjusted values never fall along the order of the raw ones
    left = sum(shares)
    for index in sorted(range(len(ps)), key=lambda i: ps[i] / shares[i]):
        floor = max(floor, min(1.0, ps[index] * max(1.0, left / shares[index])))
        adjusted[index] = floor
        left -= shares[index]
    return adjusted


def detectable_difference(
    clusters: int, spread: float, alpha: float = 0.05, power: float = 0.8, tolerance: float = 0.0
) -> float:
    """The smallest true difference that a one-sided paired test detects with ``power``.

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
    """The smallest loss that a paired test detects, computed before any data are seen.

    The loss is the share of verdicts that change from right to wrong. A loss of d has the variance
    d (1 - d) in one question (Connor 1987, all changes in one direction). In the mean of a cluster
    of ``questions`` it has ``(1 + (questions - 1) * together) / questions`` times that (the design
    effect of Kish 1965). ``together`` is 1 where a fact is lost in all its wordings at once, and 0
    where losses are spread evenly.

    The result solves the formula of ``detectable_difference`` for d; 1.0 where no smaller loss is
    detectable.
    """
    from scipy.optimize import brentq

    factor = _factor(clusters, alpha, power)
    share = (1 + (questions - 1) * together) / questions / clusters

    def gap(loss: float) -> float:
        return float(loss - tolerance - factor * (loss * (1 - loss) * share) ** 0.5)

    return 1.0 if gap(1.0) <= 0 else float(brentq(gap, tolerance + 1e-9, 1.0))


def _factor(clusters: int, alpha: float, power: float) -> float:
    """Standard errors between no difference and the smallest that the test detects."""
    from scipy.stats import t

    if clusters < 2:
        raise ValueError(f"{clusters} clusters: need at least 2 to tell a difference from chance")
    return float(t.ppf(1 - alpha, clusters - 1) + t.ppf(power, clusters - 1))
