"""Confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]

SHARE = (0.0, 1.0)
"""Where shares lie."""
_ALIKE = 1e-9  # what rounding leaves between means that are the same


class Interval(NamedTuple):
    """``estimate`` lies in [``low``, ``high``], of which an end that the data leave open is infinite."""

    estimate: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """``low`` and ``high`` for reports, which show neither where one is open."""
        return (self.low, self.high) if math.isfinite(self.high - self.low) else (None, None)

    def __str__(self) -> str:
        return f"{self.estimate:.2f}" + ("" if self.ends[0] is None else f" [{self.low:.2f}, {self.high:.2f}]")


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
    within: tuple[float, float] = SHARE,
) -> Interval:
    """Percentile interval of the mean when values of one cluster stand or fall together.

    Ten wordings of one fact are not ten independent trials: whole clusters (facts) are drawn with
    replacement (Field & Welsh 2007). The estimate is the plain mean; of one cluster nothing more is known than that the
    mean lies ``within`` the bounds of all values. Where the clusters are all alike no resample differs, which is no
    proof: others, as many as Wilson's interval allows after so many trials, may lie anywhere within. For shares of 0
    and 1 that is Wilson's interval itself; a bound that is infinite leaves its end open.

    Raises:
        ValueError: no values, lengths that differ, or a value that is not ``within``.
    """
    table, (least, most) = totals(values, clusters), within
    if min(values) < least or max(values) > most:
        raise ValueError(f"values from {min(values)} to {max(values)} within {least} and {most}: give their own bounds")
    estimate = float(table[:, 0].sum() / table[:, 1].sum())
    if len(table) == 1:
        return Interval(estimate, least, most)
    if np.ptp(table[:, 0] / table[:, 1]) < _ALIKE:
        others = wilson(0, len(table), confidence).high
        return Interval(estimate, *(estimate + others * (bound - estimate) for bound in within))
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
    """Ends of the percentile interval of the mean, from whole clusters drawn with replacement; the mean is within."""
    drawn = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    means = table[drawn, 0].sum(axis=1) / table[drawn, 1].sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    mean = table[:, 0].sum() / table[:, 1].sum()
    return float(min(low, mean)), float(max(high, mean))
