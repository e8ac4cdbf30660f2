"""Means over seeds: the interval speaks of other seeds and of other facts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import cluster_bootstrap, crossed_bootstrap

FACTS, TRUTH = 24, 0.6


def asked(rng: np.random.Generator, seeds: int) -> tuple[list[float], list[int], list[int]]:
    """Verdicts of ``seeds`` trainings, each as good as its seed lets it be, on facts that are easy
    or hard."""
    of_seed, of_fact = rng.normal(0, 0.08, seeds), rng.normal(0, 0.15, FACTS)
    chance = np.clip(TRUTH + of_seed[:, None] + of_fact, 0, 1)
    right = rng.random(chance.shape) < chance
    return (
        [float(hit) for row in right for hit in row],
        list(range(FACTS)) * seeds,
        [seed for seed in range(seeds) for _ in range(FACTS)],
    )


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.85), (8, 0.9)])
def test_it_covers_the_truth_where_facts_alone_do_not(seeds: int, least: float) -> None:
    rng, crossed, alone = np.random.default_rng(0), 0, 0
    for _ in range(200):
        values, facts, own = asked(rng, seeds)
        found = crossed_bootstrap(values, facts, own, resamples=400)
        narrow = cluster_bootstrap(values, facts, resamples=400)
        crossed += found.low <= TRUTH <= found.high
        alone += narrow.low <= TRUTH <= narrow.high
    assert least <= crossed / 200 <= 0.995
    assert alone < crossed


def test_one_seed_is_a_bootstrap_over_facts() -> None:
    values, facts, seeds = asked(np.random.default_rng(1), 1)
    assert crossed_bootstrap(values, facts, seeds) == cluster_bootstrap(values, facts)


def test_seeds_that_disagree_widen_it() -> None:
    facts, seeds = list(range(FACTS)) * 4, [s for s in range(4) for _ in range(FACTS)]
    alike = crossed_bootstrap([float(f % 2) for f in facts], facts, seeds)
    halves = [
        float((f + s // 2) % 2 if s % 2 else s // 2) for f, s in zip(facts, seeds, strict=True)
    ]
    apart = crossed_bootstrap(halves, facts, seeds)
    assert apart.high - apart.low > alike.high - alike.low


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_share_stays_a_share_around_its_estimate(right: list[bool]) -> None:
    found = crossed_bootstrap(
        [float(r) for r in right], [0, 1, 2] * 2, [0] * 3 + [1] * 3, resamples=100
    )
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.estimate == pytest.approx(sum(right) / 6)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_what_is_no_share_has_bounds_of_its_own(leads: list[float]) -> None:
    found = crossed_bootstrap(
        leads, [0, 1, 2] * 2, [0] * 3 + [1] * 3, resamples=100, within=(-1, 1)
    )
    assert -1 <= found.low <= found.estimate <= found.high <= 1


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values, 1 facts, 2 seeds"):
        crossed_bootstrap([1.0, 0.0], [1], [1, 2])
