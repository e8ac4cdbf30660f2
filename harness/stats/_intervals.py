"""Confidence intervals."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """``estimate`` lies in [``low``, ``high``]."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.2f} [{self.low:.2f}, {self.high:.2f}]"


def wilson(right: int, asked: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share (Wilson 1927, by scipy). Raises ValueError on no trials."""
    from scipy.stats import binomtest  # scipy takes a second that the command line's help need not take

    if not 0 <= right <= asked or asked == 0:
        raise ValueError(f"{right} right of {asked}: need 0 <= right <= asked and asked > 0")
    found = binomtest(right, asked).proportion_ci(confidence, method="wilson")
    return Interval(right / asked, float(found.low), float(found.high))


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the mean when values of one cluster stand or fall together.

    Ten wordings of one fact are not ten independent trials: whole clusters (facts) are drawn with
    replacement (Field & Welsh 2007). The estimate is the plain mean; one cluster gives the interval [0, 1].
    Raises ValueError on no values or lengths that differ.
    """
    table = totals(values, clusters)
    estimate = float(table[:, 0].sum() / table[:, 1].sum())
    if len(table) == 1:
        return Interval(estimate, 0.0, 1.0)
    if len(set(values)) == 1 and 0 <= estimate <= 1:
        # All alike: no resample differs, which is no proof. Fall back on as many trials as clusters.
        return wilson(round(estimate * len(table)), len(table), confidence)
    return Interval(estimate, *resampled(table, confidence, resamples, seed))


def ratio_bootstrap(
    over: Sequence[float],
    under: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the sum of ``over`` by the sum of ``under`` (all above 0), whole clusters resampled.

    Raises ValueError on no values, lengths that differ, or an ``under`` of 0 or less.
    """
    if len(over) != len(under) or not all(value > 0 for value in under):
        raise ValueError(f"{len(over)} values over {len(under)}: need as many of both, the latter above 0")
    tops, bottoms = totals(over, clusters)[:, 0], totals(under, clusters)[:, 0]
    table = np.stack([tops, bottoms], axis=1)
    return Interval(float(tops.sum() / bottoms.sum()), *resampled(table, confidence, resamples, seed))


def totals(values: Sequence[float], clusters: Sequence[Hashable]) -> Table:
    """A row a cluster: the sum of its values, and how many they are. Raises ValueError as ``cluster_bootstrap``."""
    if not values or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values in {len(clusters)} clusters: need one cluster a value, and some")
    sums: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        total = sums.setdefault(cluster, [0.0, 0.0])
        total[0] += value
        total[1] += 1
    return np.array(list(sums.values()))


def resampled(table: Table, confidence: float, resamples: int, seed: int) -> tuple[float, float]:
    """Ends of the percentile interval of the mean, from whole clusters drawn with replacement."""
    drawn = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    means = table[drawn, 0].sum(axis=1) / table[drawn, 1].sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)
