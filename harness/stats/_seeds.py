"""Means over several trainings: seeds are a level of their own."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from harness.stats._intervals import SHARE, Interval, cluster_bootstrap


def crossed_bootstrap(
    values: Sequence[float],
    facts: Sequence[Hashable],
    seeds: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    within: tuple[float, float] = SHARE,
) -> Interval:
    """Percentile interval of the mean of values that are crossed: every seed was asked about every fact.

    Seeds and facts are drawn with replacement, each for itself (the pigeonhole bootstrap, Owen 2007), so the
    interval speaks of other seeds and of other facts. As S seeds vary by (S - 1) / S of what they should in a
    resample, their deviations are stretched by sqrt(S / (S - 1)) (Davison & Hinkley 1997, 3.8). What two or three
    seeds leave open is wider than any resample can show: see the coverage in tests/stats. One seed gives
    ``cluster_bootstrap``, and so do values that are all alike; all values, and so the interval, lie ``within``.

    Raises ValueError on no values, or lengths that differ.
    """
    if not len(values) == len(facts) == len(seeds):
        raise ValueError(f"{len(values)} values, {len(facts)} facts, {len(seeds)} seeds: need one of each a value")
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
    dice = np.random.default_rng(seed)
    of_seeds = dice.multinomial(len(rows), [1 / len(rows)] * len(rows), resamples)
    of_facts = dice.multinomial(len(columns), [1 / len(columns)] * len(columns), resamples)
    means = ((of_seeds @ stretched) * of_facts).sum(axis=1) / ((of_seeds @ counts) * of_facts).sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = (float(end) for end in np.percentile(means, [tail, 100 - tail]))
    low, high = max(within[0], low), min(within[1], high)
    return Interval(estimate, min(low, estimate), max(high, estimate))
