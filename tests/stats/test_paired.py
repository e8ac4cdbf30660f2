"""Paired tests: the same questions before and after."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import holm, mcnemar, paired_bootstrap

PAIRS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=60
)
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def _columns(pairs: Sequence[tuple[Any, Any, int]]) -> tuple[list[float], list[float], list[int]]:
    before, after, clusters = zip(*pairs, strict=True)
    return [float(b) for b in before], [float(a) for a in after], list(clusters)


def test_mcnemar_is_the_binomial_test_of_what_changed() -> None:
    before = [True] * 15 + [False] * 25
    after = [True] * 6 + [False] * 9 + [True] * 2 + [False] * 23
    assert mcnemar(before, after)[:2] == (9, 2)
    assert mcnemar(before, after).p == pytest.approx(2 * (1 + 11 + 55) / 2**11)


@given(PAIRS)
def test_mcnemar_is_symmetric(pairs: list[tuple[bool, bool, int]]) -> None:
    before = [pair[0] for pair in pairs]
    after = [pair[1] for pair in pairs]
    there = mcnemar(before, after)
    back = mcnemar(after, before)
    assert (there.lost, there.gained) == (back.gained, back.lost)
    assert there.p == pytest.approx(back.p)
    assert mcnemar(before, after, "less").p == pytest.approx(mcnemar(after, before, "greater").p)


@settings(deadline=None, max_examples=40)
@given(PAIRS, st.floats(0, 0.2))
def test_bootstrap_is_symmetric(pairs: list[tuple[bool, bool, int]], tolerance: float) -> None:
    before, after, clusters = _columns(pairs)
    there = paired_bootstrap(before, after, clusters, "less", tolerance, resamples=200)
    back = paired_bootstrap(after, before, clusters, "greater", tolerance, resamples=200)
    assert there.p == back.p
    assert there.difference == pytest.approx(
        (-back.difference[0], -back.difference[2], -back.difference[1])
    )
    assert there.spread == pytest.approx(back.spread)


@settings(deadline=None, max_examples=40)
@given(PAIRS)
def test_no_change_has_p_1_and_a_wide_interval(pairs: list[tuple[bool, bool, int]]) -> None:
    before, _, clusters = _columns(pairs)
    paired = paired_bootstrap(before, before, clusters, resamples=200)
    assert paired.p == 1.0
    assert paired.difference.low < 0 < paired.difference.high


@settings(deadline=None, max_examples=40)
@given(PAIRS, st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_larger_tolerance_alarms_less(
    pairs: list[tuple[bool, bool, int]], one: float, other: float
) -> None:
    before, after, clusters = _columns(pairs)
    strict, lax = (
        paired_bootstrap(before, after, clusters, "less", tolerance, resamples=200).p
        for tolerance in sorted((one, other))
    )
    assert strict <= lax + 0.02  # equal sums can differ in their last bit


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 22))
def test_more_facts_lost_more_evidence(lost: int) -> None:
    def p(count: int) -> float:
        return paired_bootstrap(
            [1.0] * 23, [0.0] * count + [1.0] * (23 - count), range(23), "less"
        ).p

    assert p(lost + 1) <= p(lost)


def test_wordings_of_one_fact_are_one_piece_of_evidence() -> None:
    lost = paired_bootstrap(
        [1.0] * 80, [0.0] * 10 + [1.0] * 70, [i // 10 for i in range(80)], "less"
    )
    assert lost.p > 0.3
    spread = paired_bootstrap(
        [1.0] * 80, [0.0] * 10 + [1.0] * 70, [i % 10 for i in range(80)], "less"
    )
    assert spread.p < 0.01


def test_one_cluster_is_no_evidence() -> None:
    assert paired_bootstrap([1.0] * 9, [0.0] * 9, ["a"] * 9).p > 0.5


def test_level_and_coverage_by_simulation() -> None:
    """The one-sided test keeps its 5% level, and the interval covers, with dependent questions."""
    rng = np.random.default_rng(0)
    alarms = covered = 0
    runs = 200
    clusters = np.repeat(np.arange(23), 6)
    for _ in range(runs):
        shares = rng.beta(2, 1, 23)
        before, after = (
            (rng.random(138) < rng.beta(8 * shares, 8 * (1 - shares))[clusters]) for _ in "ab"
        )
        paired = paired_bootstrap(
            before.astype(float).tolist(), after.astype(float).tolist(), clusters.tolist(), "less"
        )
        alarms += paired.p <= 0.05
        covered += paired.difference.low <= 0 <= paired.difference.high
    assert alarms / runs <= 0.08  # 5%, plus the sampling error of 200 runs
    assert 0.89 <= covered / runs <= 0.98


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 values before and 1 after"):
        paired_bootstrap([1.0, 0.0], [1.0], ["a", "b"])


@given(SHARES)
def test_holm_is_never_below_the_raw_p_and_keeps_their_order(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(raw <= high <= 1 for raw, high in zip(ps, adjusted, strict=True))
    assert adjusted[ps.index(min(ps))] == pytest.approx(min(1.0, len(ps) * min(ps)))
    by_raw = [high for _, high in sorted(zip(ps, adjusted, strict=True))]
    assert by_raw == sorted(by_raw)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_bonferroni_over_every_subset(ps: list[float]) -> None:
    """Closed testing (Marcus, Peritz & Gabriel 1976).

    A hypothesis is rejected where every intersection with it is rejected.
    """
    subsets = [
        subset for size in range(1, len(ps) + 1) for subset in combinations(range(len(ps)), size)
    ]
    closed = [
        max(min(1.0, len(subset) * min(ps[j] for j in subset)) for subset in subsets if i in subset)
        for i in range(len(ps))
    ]
    assert holm(ps) == pytest.approx(closed)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 10)), min_size=1, max_size=20))
def test_weighted_holm_is_never_below_the_raw_p(pairs: list[tuple[bool, bool, int]]) -> None:
    ps, weights = zip(*pairs, strict=True)
    assert all(raw <= high <= 1 for raw, high in zip(ps, holm(ps, weights), strict=True))
    assert holm(ps, [3.0] * len(ps)) == pytest.approx(holm(ps))


def test_holm_gives_a_heavy_test_its_share() -> None:
    assert holm([0.02, 0.02, 0.5], [2, 1, 1]) == pytest.approx([0.04, 0.04, 0.5])
    assert holm([]) == []
    with pytest.raises(ValueError, match="give each one above 0"):
        holm([0.1], [0])
