"""Where a learning curve comes up to a level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from harness.stats._intervals import Interval


def crossing(
    at: Sequence[float],
    shares: Sequence[Sequence[float]],
    level: float = 0.5,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval | None:
    """The first place where the mean over facts reaches ``level``, by linear interpolation; None where it never does.

    The interval is a percentile bootstrap over facts. A resample that never reaches the level counts as the last
    place, so an upper end there means "or more".

    Args:
        at: places along the curve, rising, such as optimiser steps; the first is where nothing is trained yet.
        shares: for each place, one value a fact, the facts in the same order.
        level: between 0 and 1.
        confidence: of the interval.
        resamples: how often the facts are drawn again.
        seed: the same seed gives the same figures.

    Raises:
        ValueError: fewer than two places, places that do not rise, or rows that differ in length.
    """
    if len(at) < 2 or len(at) != len(shares) or any(b <= a for a, b in pairwise(at)):
        raise ValueError(f"{len(shares)} rows at {list(at)}: need a row a place, and two or more places that rise")
    if len({len(row) for row in shares}) != 1 or not shares[0]:
        raise ValueError("rows of shares differ in length or are empty: each needs one value a fact")
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
