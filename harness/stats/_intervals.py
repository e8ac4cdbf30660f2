"""Where a learning curve comes up to a level."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]

SHARE = (0.0, 1.0)
"""Where shares lie."""
_ALIKE = 1e-9  # what rounding leaves between means that are the same


class Interval(NamedTuple):
    """``estimate`` lies in [``low``, ``high``], of which an end that the data leave open is
    infinite."""

    estimate: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """``low`` and ``high`` for reports, which show neither where one is open."""
        return (self.low, self.high) if math.isfinite(self.high - self.low) else (None, None)

    def __str__(self) -> str:
        return f"{self.estimate:.2f}" + (
            "" if self.ends[0] is None else f" [{self.low:.2f}, {self.high:.2f}]"
        )


def wilson(right: int, asked: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share (Wilson 1927, by scipy). Raises ValueError on no trials."""
    from scipy.stats import (
        binomtest,  # scipy takes a second that the command line's help need not take
    )

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
    replacement (Field & Welsh 2007). The estimate is the plain mean; of one cluster nothing more is
    known than that the mean lies ``within`` the bounds of all values. Where the clusters are all
    alike no resample differs, which is no proof: others, as many as Wilson's interval allows after
    so many trials, may lie anywhere within. For shares of 0 and 1 that is Wilson's interval itself;
    a bound that is infinite leaves its end open.

    Raises:
        ValueError: no values, lengths that differ, or a value that is not ``within``.
    """
    table, (least, most) = totals(values, clusters), within
    if min(values) < least or max(values) > most:
        raise ValueError(
            f"values from {min(values)} to {max(values)} within {least} and {most}: give their own"
            " bounds"
        )
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
    """Percentile interval of the sum of ``over`` by the sum of ``under`` (all above 0), whole
    clusters resampled.

    Raises ValueError on no values, lengths that differ, or an ``under`` of 0 or less.
    """
    if len(over) != len(under) or not all(value > 0 for value in under):
        raise ValueError(
            f"{len(over)} values over {len(under)}: need as many of both, the latter above 0"
        )
    tops, bottoms = totals(over, clusters)[:, 0], totals(under, clusters)[:, 0]
    table = np.stack([tops, bottoms], axis=1)
    return Interval(
        float(tops.sum() / bottoms.sum()), *resampled(table, confidence, resamples, seed)
    )


def totals(values: Sequence[float], clusters: Sequence[Hashable]) -> Table:
    """A row a cluster: the sum of its values, and how many they are. Raises ValueError as
    ``cluster_bootstrap``."""
    if not values or len(values) != len(clusters):
        raise ValueError(
            f"{len(values)} values in {len(clusters)} clusters: need one cluster a value, and some"
        )
    sums: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        total = sums.setdefault(cluster, [0.0, 0.0])
        total[0] += value
        total[1] += 1
    return np.array(list(sums.values()))


def resampled(table: Table, confidence: float, resamples: int, seed: int) -> tuple[float, float]:
    """Ends of the percentile interval of the mean, from whole clusters drawn with replacement; the
    mean is within."""
    drawn = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    means = table[drawn, 0].sum(axis=1) / table[drawn, 1].sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    mean = table[:, 0].sum() / table[:, 1].sum()
    return float(min(low, mean)), float(max(high, mean))


def cluster_ratio(
    values: Sequence[float],
    others: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The mean of ``values`` over that of ``others``, which belong to the same questions; None
    where those are all 0.

    Percentile interval over whole clusters, drawn with replacement; draws whose ``others`` are all
    0 say nothing and are left out. Raises ValueError on no values or lengths that differ.
    """
    table = np.column_stack([totals(values, clusters)[:, 0], totals(others, clusters)[:, 0]])
    if not table[:, 1].sum():
        return None
    drawn = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    above, below = table[drawn, 0].sum(axis=1), table[drawn, 1].sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(above[below > 0] / below[below > 0], [tail, 100 - tail])
    return Interval(float(table[:, 0].sum() / table[:, 1].sum()), float(low), float(high))


def crossed_bootstrap(
    values: Sequence[float],
    facts: Sequence[Hashable],
    seeds: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    within: tuple[float, float] = SHARE,
) -> Interval:
    """Percentile interval of the mean of values that are crossed: every seed was asked about every
    fact.

    Seeds and facts are drawn with replacement, each for itself (the pigeonhole bootstrap, Owen
    2007), so the interval speaks of other seeds and of other facts. As S seeds vary by (S - 1) / S
    of what they should in a resample, their deviations are stretched by sqrt(S / (S - 1)) (Davison
    & Hinkley 1997, 3.8). What two or three seeds leave open is wider than any resample can show:
    see the coverage in tests/stats. One seed gives ``cluster_bootstrap``, and so do values that are
    all alike; all values, and so the interval, lie ``within``.

    Raises ValueError on no values, or lengths that differ.
    """
    if not len(values) == len(facts) == len(seeds):
        raise ValueError(
            f"{len(values)} values, {len(facts)} facts, {len(seeds)} seeds: need one of each a"
            " value"
        )
    rows, columns = list(dict.fromkeys(seeds)), list(dict.fromkeys(facts))
    if len(rows) < 2 or len(set(values)) == 1:
        return cluster_bootstrap(values, facts, confidence, resamples, seed, within)
    sums, counts = np.zeros((2, len(rows), len(columns)))
    row, column = ({name: i for i, name in enumerate(names)} for names in (rows, columns))
    for value, fact, own in zip(values, facts, seeds, strict=True):
        sums[row[own], column[fact]] += value
        counts[row[own], column[fact]] += 1
    estimate = float(sums.sum() / counts.sum())
    deviations = sums.sum(axis=1) / counts.sum(axis=1) - estimate
    stretched = sums + ((len(rows) / (len(rows) - 1)) ** 0.5 - 1) * deviations[:, None] * counts
    rng = np.random.default_rng(seed)
    of_seeds = rng.multinomial(len(rows), [1 / len(rows)] * len(rows), resamples)
    of_facts = rng.multinomial(len(columns), [1 / len(columns)] * len(columns), resamples)
    means = ((of_seeds @ stretched) * of_facts).sum(axis=1) / ((of_seeds @ counts) * of_facts).sum(
        axis=1
    )
    tail = 100 * (1 - confidence) / 2
    low, high = (float(end) for end in np.percentile(means, [tail, 100 - tail]))
    low, high = max(within[0], low), min(within[1], high)
    return Interval(estimate, min(low, estimate), max(high, estimate))


def crossing(
    at: Sequence[float],
    shares: Sequence[Sequence[float]],
    level: float = 0.5,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The first place where the mean over facts reaches ``level``, by linear interpolation; None
    where it never does.

    The interval is a percentile bootstrap over facts. A resample that never reaches the level
    counts as the last place, so an upper end there means "or more".

    Args:
        at: places along the curve, rising, such as optimiser steps; the first is where nothing is
        trained yet. shares: for each place, one value a fact, the facts in the same order. level:
        between 0 and 1. confidence: of the interval. resamples: how often the facts are drawn
        again. seed: the same seed gives the same figures.

    Raises:
        ValueError: fewer than two places, places that do not rise, or rows that differ in length.
    """
    if len(at) < 2 or len(at) != len(shares) or any(b <= a for a, b in pairwise(at)):
        raise ValueError(
            f"{len(shares)} rows at {list(at)}: need a row a place, and two or more places that"
            " rise"
        )
    if len({len(row) for row in shares}) != 1 or not shares[0]:
        raise ValueError(
            "rows of shares differ in length or are empty: each needs one value a fact"
        )
    table = np.array(shares, dtype=np.float64)
    found = _first(at, table.mean(axis=1), level)
    if found is None:
        return None
    drawn = np.random.default_rng(seed).integers(0, table.shape[1], (resamples, table.shape[1]))
    curves = table[:, drawn].mean(axis=2).T
    places = [at[-1] if (place := _first(at, curve, level)) is None else place for curve in curves]
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(places, [tail, 100 - tail])
    return Interval(found, float(low), float(high))


def _first(at: Sequence[float], curve: npt.NDArray[np.float64], level: float) -> float | None:
    if curve[0] >= level:
        return float(at[0])
    for i in range(1, len(at)):
        if curve[i] >= level:
            rise = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
            return float(at[i - 1] + rise * (at[i] - at[i - 1]))
    return None
