"""Intervals for shares, means and ratios, and for where a learning curve reaches a level."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]

SHARE = (0.0, 1.0)
"""The bounds of a share."""
_ROUNDING = 1e-9  # equal means of clusters can differ by this much in float64


class Interval(NamedTuple):
    """``estimate`` lies in [``low``, ``high``]. An end that the data cannot bound is infinite."""

    estimate: float
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """``low`` and ``high`` for reports; both None where one of them is infinite."""
        return (self.low, self.high) if math.isfinite(self.high - self.low) else (None, None)

    def __str__(self) -> str:
        if self.ends[0] is None:
            return f"{self.estimate:.2f}"
        return f"{self.estimate:.2f} [{self.low:.2f}, {self.high:.2f}]"


def wilson(right: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share (Wilson 1927, by scipy). Raises ValueError on no trials."""
    # Imported late: scipy takes a second, and the command line's help must not wait for it.
    from scipy.stats import binomtest

    if not 0 <= right <= trials or trials == 0:
        raise ValueError(f"{right} right of {trials}: need 0 <= right <= trials and trials > 0")
    ends = binomtest(right, trials).proportion_ci(confidence, method="wilson")
    return Interval(right / trials, float(ends.low), float(ends.high))


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    within: tuple[float, float] = SHARE,
) -> Interval:
    """Percentile interval of the mean, where values of one cluster are not independent.

    Ten wordings of one fact are not ten independent trials, so whole clusters (facts) are drawn
    with replacement (Field & Welsh 2007). The estimate is the plain mean.

    Two cases leave nothing to resample. One cluster alone gives the bounds ``within`` as interval.
    Clusters that all have the same mean give identical resamples, which would look like certainty.
    There, other clusters may still exist: as many as Wilson's interval allows after so many trials
    without one, with a mean anywhere ``within``. For shares of 0 and 1 that is Wilson's interval
    itself. An infinite bound gives an infinite end.

    Raises:
        ValueError: no values, lengths that differ, or a value outside ``within``.
    """
    table = totals(values, clusters)
    least, most = within
    if min(values) < least or max(values) > most:
        raise ValueError(
            f"values from {min(values)} to {max(values)} within {least} and {most}: give their own"
            " bounds"
        )
    estimate = float(table[:, 0].sum() / table[:, 1].sum())
    if len(table) == 1:
        return Interval(estimate, least, most)
    if np.ptp(table[:, 0] / table[:, 1]) < _ROUNDING:
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
    """Percentile interval of the sum of ``over`` divided by the sum of ``under``.

    Whole clusters are drawn with replacement. Raises ValueError on no values, lengths that differ,
    or an ``under`` of 0 or less.
    """
    if len(over) != len(under) or not all(value > 0 for value in under):
        raise ValueError(
            f"{len(over)} values over {len(under)}: need as many of both, the latter above 0"
        )
    table = np.stack([totals(over, clusters)[:, 0], totals(under, clusters)[:, 0]], axis=1)
    estimate = float(table[:, 0].sum() / table[:, 1].sum())
    return Interval(estimate, *resampled(table, confidence, resamples, seed))


def totals(values: Sequence[float], clusters: Sequence[Hashable]) -> Table:
    """One row for each cluster: the sum of its values, and their number.

    Raises ValueError on no values, or lengths that differ.
    """
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
    """Ends of the percentile interval of column 0 over column 1, both summed.

    Rows (whole clusters) are drawn with replacement. With few clusters the interval can miss the
    estimate; then its end is moved to the estimate.
    """
    draws = _draws(len(table), resamples, seed)
    ratios = table[draws, 0].sum(axis=1) / table[draws, 1].sum(axis=1)
    low, high = _percentiles(ratios, confidence)
    estimate = table[:, 0].sum() / table[:, 1].sum()
    return float(min(low, estimate)), float(max(high, estimate))


def _draws(clusters: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Indices of clusters, drawn with replacement: resamples x clusters."""
    return np.random.default_rng(seed).integers(0, clusters, (resamples, clusters))


def _percentiles(values: Sequence[float] | Table, confidence: float) -> tuple[float, float]:
    """The ends between which ``confidence`` of ``values`` lies."""
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def cluster_ratio(
    values: Sequence[float],
    others: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The mean of ``values`` divided by that of ``others``; None where all ``others`` are 0.

    Both belong to the same questions, in the same order. The interval is a percentile bootstrap
    over whole clusters. Resamples whose ``others`` are all 0 have no ratio and are left out.
    Raises ValueError on no values or lengths that differ.
    """
    table = np.column_stack([totals(values, clusters)[:, 0], totals(others, clusters)[:, 0]])
    if not table[:, 1].sum():
        return None
    draws = _draws(len(table), resamples, seed)
    above = table[draws, 0].sum(axis=1)
    below = table[draws, 1].sum(axis=1)
    low, high = _percentiles(above[below > 0] / below[below > 0], confidence)
    return Interval(float(table[:, 0].sum() / table[:, 1].sum()), low, high)


def crossed_bootstrap(
    values: Sequence[float],
    facts: Sequence[Hashable],
    seeds: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    within: tuple[float, float] = SHARE,
) -> Interval:
    """Percentile interval of the mean over trainings of several seeds, each with the same facts.

    Seeds and facts are drawn with replacement, independently of each other (the pigeonhole
    bootstrap, Owen 2007), so the interval covers other seeds and other facts. One seed, or values
    that are all equal, gives ``cluster_bootstrap``. All values, and so the interval, lie
    ``within``.

    In a resample, S seeds vary only by (S - 1) / S of their true variance. So their deviations are
    stretched by sqrt(S / (S - 1)) (Davison & Hinkley 1997, 3.8). With two or three seeds the
    interval is still too narrow: tests/stats measures its coverage.

    Raises ValueError on no values, or lengths that differ.
    """
    if not len(values) == len(facts) == len(seeds):
        raise ValueError(
            f"{len(values)} values, {len(facts)} facts, {len(seeds)} seeds: need one of each a"
            " value"
        )
    rows = {name: i for i, name in enumerate(dict.fromkeys(seeds))}
    columns = {name: i for i, name in enumerate(dict.fromkeys(facts))}
    if len(rows) < 2 or len(set(values)) == 1:
        return cluster_bootstrap(values, facts, confidence, resamples, seed, within)
    sums, counts = np.zeros((2, len(rows), len(columns)))
    for value, fact, training_seed in zip(values, facts, seeds, strict=True):
        sums[rows[training_seed], columns[fact]] += value
        counts[rows[training_seed], columns[fact]] += 1
    estimate = float(sums.sum() / counts.sum())
    deviations = sums.sum(axis=1) / counts.sum(axis=1) - estimate
    stretch = (len(rows) / (len(rows) - 1)) ** 0.5
    stretched = sums + (stretch - 1) * deviations[:, None] * counts
    # How often a resample draws each seed and each fact is all that its mean depends on.
    rng = np.random.default_rng(seed)
    of_seeds = rng.multinomial(len(rows), [1 / len(rows)] * len(rows), resamples)
    of_facts = rng.multinomial(len(columns), [1 / len(columns)] * len(columns), resamples)
    drawn_sums = ((of_seeds @ stretched) * of_facts).sum(axis=1)
    drawn_counts = ((of_seeds @ counts) * of_facts).sum(axis=1)
    low, high = _percentiles(drawn_sums / drawn_counts, confidence)
    # Stretched deviations can leave the bounds.
    low = max(within[0], low)
    high = min(within[1], high)
    return Interval(estimate, min(low, estimate), max(high, estimate))


def crossing(
    at: Sequence[float],
    shares: Sequence[Sequence[float]],
    level: float = 0.5,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The first place where the mean over facts reaches ``level``; None where it never does.

    Between two places the curve is a straight line. The interval is a percentile bootstrap over
    facts. A resample that never reaches the level counts as the last place, so an upper end there
    means "or more".

    Args:
        at: places along the curve, rising, such as optimiser steps; the first is before training.
        shares: for each place, one value a fact, the facts in the same order.
        level: between 0 and 1.
        confidence: of the interval.
        resamples: how often the facts are drawn again.
        seed: the same seed gives the same figures.

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
    estimate = _first(at, table.mean(axis=1), level)
    if estimate is None:
        return None
    curves = table[:, _draws(table.shape[1], resamples, seed)].mean(axis=2).T
    places = [_first(at, curve, level) for curve in curves]
    reached = [at[-1] if place is None else place for place in places]
    return Interval(estimate, *_percentiles(reached, confidence))


def _first(at: Sequence[float], curve: npt.NDArray[np.float64], level: float) -> float | None:
    """Where ``curve`` first reaches ``level``, by linear interpolation between the places."""
    if curve[0] >= level:
        return float(at[0])
    for i in range(1, len(at)):
        if curve[i] >= level:
            part = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
            return float(at[i - 1] + part * (at[i] - at[i - 1]))
    return None
