"""How much of one share another reaches."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from harness.stats._intervals import Interval, totals


def cluster_ratio(
    values: Sequence[float],
    others: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The mean of ``values`` over that of ``others``, which belong to the same questions; None where those are all 0.

    Percentile interval over whole clusters, drawn with replacement; draws whose ``others`` are all 0 say nothing and
    are left out. Raises ValueError on no values or lengths that differ.
    """
    table = np.column_stack([totals(values, clusters)[:, 0], totals(others, clusters)[:, 0]])
    if not table[:, 1].sum():
        return None
    drawn = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    above, below = table[drawn, 0].sum(axis=1), table[drawn, 1].sum(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(above[below > 0] / below[below > 0], [tail, 100 - tail])
    return Interval(float(table[:, 0].sum() / table[:, 1].sum()), float(low), float(high))
