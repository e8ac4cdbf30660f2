"""Ratios of shares."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats import cluster_ratio


def test_equal_values_give_exactly_1_and_zeros_give_none() -> None:
    right = [1.0, 0.0, 1.0, 1.0]
    facts = ["a", "a", "b", "c"]
    assert cluster_ratio(right, right, facts) == (1.0, 1.0, 1.0)
    assert cluster_ratio(right, [0.0] * 4, facts) is None
    with pytest.raises(ValueError, match="need one cluster a value"):
        cluster_ratio([], [], [])


def test_a_ratio_of_one_half_has_an_interval_around_it() -> None:
    facts = [str(i // 4) for i in range(80)]
    ratio = cluster_ratio([float(i % 2) for i in range(80)], [1.0] * 80, facts)
    assert ratio == (0.5, 0.5, 0.5)  # every fact has the same ratio
    uneven = cluster_ratio([float(i < 40) for i in range(80)], [1.0] * 80, facts)
    assert uneven is not None
    assert uneven.estimate == 0.5
    assert 0.2 < uneven.low < 0.5 < uneven.high < 0.8


def test_the_interval_covers_the_true_ratio() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        difficulty = rng.uniform(0.3, 1.0, 30)
        before = rng.random((30, 6)) < difficulty[:, None]
        after = before & (rng.random((30, 6)) < 0.8)
        facts = [i for i in range(30) for _ in range(6)]
        ratio = cluster_ratio(
            after.ravel().astype(float).tolist(),
            before.ravel().astype(float).tolist(),
            facts,
            seed=seed,
        )
        assert ratio is not None
        covered += ratio.low <= 0.8 <= ratio.high
    assert 0.90 <= covered / 200 <= 0.99
