"""Means over seeds: the interval covers other seeds and other facts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import cluster_bootstrap, crossed_bootstrap

FACTS, TRUTH = 24, 0.6


def simulated(rng: np.random.Generator, seeds: int) -> tuple[list[float], list[int], list[int]]:
    """Verdicts, facts and seeds of ``seeds`` trainings.

    Both a seed and a fact shift the chance of a right answer.
    """
    of_seed = rng.normal(0, 0.08, seeds)
    of_fact = rng.normal(0, 0.15, FACTS)
    chance = np.clip(TRUTH + of_seed[:, None] + of_fact, 0, 1)
    right = rng.random(chance.shape) < chance
    return (
        [float(hit) for row in right for hit in row],
        list(range(FACTS)) * seeds,
        [seed for seed in range(seeds) for _ in range(FACTS)],
    )


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.85), (8, 0.9)])
def test_crossed_covers_the_true_mean_more_often_than_facts_alone(seeds: int, least: float) -> None:
    rng = np.random.default_rng(0)
    crossed = alone = 0
    for _ in range(200):
        values, facts, training_seeds = simulated(rng, seeds)
        wide = crossed_bootstrap(values, facts, training_seeds, resamples=400)
        narrow = cluster_bootstrap(values, facts, resamples=400)
        crossed += wide.low <= TRUTH <= wide.high
        alone += narrow.low <= TRUTH <= narrow.high
    assert least <= crossed / 200 <= 0.995
    assert alone < crossed


def test_one_seed_is_a_bootstrap_over_facts() -> None:
    values, facts, seeds = simulated(np.random.default_rng(1), 1)
    assert crossed_bootstrap(values, facts, seeds) == cluster_bootstrap(values, facts)


def test_seeds_that_disagree_widen_the_interval() -> None:
    facts = list(range(FACTS)) * 4
    seeds = [s for s in range(4) for _ in range(FACTS)]
    agreeing = crossed_bootstrap([float(f % 2) for f in facts], facts, seeds)
    verdicts = [
        float((f + s // 2) % 2 if s % 2 else s // 2) for f, s in zip(facts, seeds, strict=True)
    ]
    disagreeing = crossed_bootstrap(verdicts, facts, seeds)
    assert disagreeing.high - disagreeing.low > agreeing.high - agreeing.low


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_share_stays_a_share_around_its_estimate(right: list[bool]) -> None:
    interval = crossed_bootstrap(
        [float(r) for r in right], [0, 1, 2] * 2, [0] * 3 + [1] * 3, resamples=100
    )
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    assert interval.estimate == pytest.approx(sum(right) / 6)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_differences_of_shares_have_their_own_bounds(leads: list[float]) -> None:
    interval = crossed_bootstrap(
        leads, [0, 1, 2] * 2, [0] * 3 + [1] * 3, resamples=100, within=(-1, 1)
    )
    assert -1 <= interval.low <= interval.estimate <= interval.high <= 1


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values, 1 facts, 2 seeds"):
        crossed_bootstrap([1.0, 0.0], [1], [1, 2])
