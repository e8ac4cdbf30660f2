"""Intervals keep their promises."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import cluster_bootstrap, wilson


def test_wilson_as_in_newcombe_1998():
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662."""
    found = wilson(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_its_estimate(case):
    found = wilson(*case)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_bootstrap_covers_the_truth_when_clusters_stand_or_fall_together():
    dice, hits = random.Random(0), 0
    for _ in range(200):
        values, clusters = [], []
        for cluster in range(30):
            value = float(dice.random() < 0.7)
            values += [value] * 8
            clusters += [cluster] * 8
        found = cluster_bootstrap(values, clusters, resamples=500)
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_wordings_of_one_fact_do_not_narrow_the_interval():
    values = [1.0, 0.0] * 12
    alone = cluster_bootstrap(values, range(24))
    tenfold = cluster_bootstrap([v for v in values for _ in range(10)], [i for i in range(24) for _ in range(10)])
    assert alone.high - alone.low == pytest.approx(tenfold.high - tenfold.low, abs=0.02)


def test_all_right_is_no_certainty():
    assert cluster_bootstrap([1.0] * 10, range(10)).low < 0.8


@pytest.mark.parametrize("bad", [(2, 1), (0, 0), (-1, 3)])
def test_wilson_refuses_nonsense(bad):
    with pytest.raises(ValueError, match="right of"):
        wilson(*bad)
