"""Ratios of shares."""

from __future__ import annotations

import pytest

from harness.stats import cluster_ratio


def test_alike_is_one_without_doubt_and_nothing_of_nothing_is_none() -> None:
    right, facts = [1.0, 0.0, 1.0, 1.0], ["a", "a", "b", "c"]
    assert cluster_ratio(right, right, facts) == (1.0, 1.0, 1.0)
    assert cluster_ratio(right, [0.0] * 4, facts) is None
    with pytest.raises(ValueError, match="need one cluster a value"):
        cluster_ratio([], [], [])


def test_half_of_what_the_other_has_with_an_interval_around_it() -> None:
    facts = [str(i // 4) for i in range(80)]
    found = cluster_ratio([float(i % 2) for i in range(80)], [1.0] * 80, facts)
    assert found == (0.5, 0.5, 0.5)  # every fact alike
    uneven = cluster_ratio([float(i < 40) for i in range(80)], [1.0] * 80, facts)
    assert uneven is not None
    assert uneven.estimate == 0.5
    assert 0.2 < uneven.low < 0.5 < uneven.high < 0.8


def test_the_interval_covers_the_true_ratio_as_often_as_it_says() -> None:
    import numpy as np

    rng, held = np.random.default_rng(0), 0
    for seed in range(200):
        difficulty = rng.uniform(0.3, 1.0, 30)
        before = rng.random((30, 6)) < difficulty[:, None]
        after = before & (rng.random((30, 6)) < 0.8)
        facts = [i for i in range(30) for _ in range(6)]
        found = cluster_ratio(
            after.ravel().astype(float).tolist(),
            before.ravel().astype(float).tolist(),
            facts,
            seed=seed,
        )
        assert found is not None
        held += found.low <= 0.8 <= found.high
    assert 0.90 <= held / 200 <= 0.99
