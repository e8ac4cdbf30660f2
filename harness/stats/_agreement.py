"""How far two graders agree beyond chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

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
    """Cohen's kappa (1960) of two graders' verdicts, with the percentile interval over whole clusters.

    0 where it is not defined, as both always say one and the same. Where no verdict differs, no resample does
    either, which is no proof: then the lower end is the kappa of Wilson's lower end for so many clusters.
    Raises ValueError on no verdicts, or lengths that differ.
    """
    counts = _counts(first, second, clusters)
    total = counts.sum(axis=0)
    estimate = float(_kappa(total[None])[0])
    if total[1] + total[2] == 0:
        agreed, chance = wilson(len(counts), len(counts), confidence).low, _chance(total[None])[0]
        low = (agreed - chance) / (1 - chance) if chance < 1 else 0.0
        return Interval(estimate, min(estimate, float(low)), estimate)
    if len(counts) == 1:
        return Interval(estimate, -1.0, 1.0)
    drawn = np.random.default_rng(seed).integers(0, len(counts), (resamples, len(counts)))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(_kappa(counts[drawn].sum(axis=1)), [tail, 100 - tail])
    return Interval(estimate, min(estimate, float(low)), max(estimate, float(high)))


def _counts(first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]) -> npt.NDArray[np.float64]:
    """A row a cluster: both, only the first, only the second, neither."""
    if not first or not len(first) == len(second) == len(clusters):
        raise ValueError(f"{len(first)} and {len(second)} verdicts in {len(clusters)} clusters: need as many of each")
    rows: dict[Hashable, list[float]] = {}
    for a, b, cluster in zip(first, second, clusters, strict=True):
        rows.setdefault(cluster, [0.0] * 4)[2 * (not a) + (not b)] += 1
    return np.array(list(rows.values()))


def _chance(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share on which graders agree that know nothing of each other; ``counts`` has the shape (n, 4)."""
    n = counts.sum(axis=1)
    first, second = counts[:, 0] + counts[:, 1], counts[:, 0] + counts[:, 2]
    found: npt.NDArray[np.float64] = (first * second + (n - first) * (n - second)) / n**2
    return found


def _kappa(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    chance = _chance(counts)
    agreed = (counts[:, 0] + counts[:, 3]) / counts.sum(axis=1)
    room = np.where(chance < 1, 1 - chance, 1)
    return np.where(chance < 1, (agreed - chance) / room, 0.0)
