"""Intervals keep their promises."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.stats import cluster_bootstrap, ratio_bootstrap, wilson


def test_wilson_as_in_newcombe_1998() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662."""
    found = wilson(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_its_estimate(case: tuple[int, int]) -> None:
    found = wilson(*case)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_bootstrap_covers_the_truth_when_clusters_stand_or_fall_together() -> None:
    rng, hits = random.Random(0), 0
    for _ in range(200):
        values, clusters = [], []
        for cluster in range(30):
            value = float(rng.random() < 0.7)
            values += [value] * 8
            clusters += [cluster] * 8
        found = cluster_bootstrap(values, clusters, resamples=500)
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_wordings_of_one_fact_do_not_narrow_the_interval() -> None:
    values = [1.0, 0.0] * 12
    alone = cluster_bootstrap(values, range(24))
    tenfold = cluster_bootstrap(
        [v for v in values for _ in range(10)], [i for i in range(24) for _ in range(10)]
    )
    assert alone.high - alone.low == pytest.approx(tenfold.high - tenfold.low, abs=0.02)


def test_all_right_is_no_certainty() -> None:
    assert cluster_bootstrap([1.0] * 10, range(10)).low < 0.8


@pytest.mark.parametrize("bad", [(2, 1), (0, 0), (-1, 3)])
def test_wilson_refuses_nonsense(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="right of"):
        wilson(*bad)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("asked", [23, 200])
def test_wilson_covers_the_truth(share: float, asked: int) -> None:
    """Exactly, by summing over all outcomes: Wilson's interval hovers about its level (Brown, Cai &
    DasGupta 2001)."""
    covered = (
        k for k in range(asked + 1) if (found := wilson(k, asked)).low <= share <= found.high
    )
    assert 0.92 <= sum(float(binom.pmf(k, asked, share)) for k in covered) <= 0.985


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_wilson_rises_with_what_is_right_and_narrows_with_what_is_asked(
    case: tuple[int, int],
) -> None:
    right, asked = case
    less, more = wilson(right, asked), wilson(right + 1, asked)
    assert less.low <= more.low
    assert less.high <= more.high
    tenfold = wilson(10 * right, 10 * asked)
    assert tenfold.high - tenfold.low < less.high - less.low


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=60))
def test_bootstrap_contains_its_estimate_and_mirrors(pairs: list[tuple[bool, int]]) -> None:
    values, clusters = [float(v) for v, _ in pairs], [c for _, c in pairs]
    found = cluster_bootstrap(values, clusters, resamples=300)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    wrong = cluster_bootstrap([1 - v for v in values], clusters, resamples=300)
    assert (wrong.low, wrong.high) == pytest.approx((1 - found.high, 1 - found.low))


BOUNDS = [(0, 1), (-1, 1), (1, 5), (0, math.inf), (-math.inf, math.inf)]


@st.composite
def means(draw: st.DrawFn) -> tuple[list[float], list[int], tuple[float, float]]:
    """Values in clusters, all alike more often than chance would have it, and their bounds."""
    within = draw(st.sampled_from(BOUNDS))
    value = st.floats(max(within[0], -1e6), min(within[1], 1e6))
    values = draw(
        st.lists(value, min_size=1, max_size=20)
        | st.tuples(value, st.integers(1, 20)).map(_repeated)
    )
    clusters = draw(st.lists(st.integers(0, 8), min_size=len(values), max_size=len(values)))
    return values, clusters, within


def _repeated(pair: tuple[float, int]) -> list[float]:
    return [pair[0]] * pair[1]


@settings(deadline=None, max_examples=300)
@given(means())
def test_bootstrap_of_a_mean_contains_its_estimate_within_its_bounds(
    case: tuple[list[float], list[int], tuple[float, float]],
) -> None:
    values, clusters, (least, most) = case
    found = cluster_bootstrap(values, clusters, resamples=100, within=(least, most))
    assert found.estimate == pytest.approx(sum(values) / len(values))
    slack = 1e-9 * max(map(abs, values))
    assert least - slack <= found.low <= found.estimate <= found.high <= most + slack
    if len(set(values)) == 1 and least < values[0] < most:
        assert found.low < found.estimate < found.high


def test_a_lead_over_recall_is_no_share() -> None:
    assert cluster_bootstrap([-0.3, -0.2], ["f", "f"], within=(-1, 1)) == (-0.25, -1, 1)
    found = cluster_bootstrap([-0.5] * 10, range(10), within=(-1, 1))
    assert found == pytest.approx(
        (-0.5, -0.5 - 0.5 * wilson(0, 10).high, -0.5 + 1.5 * wilson(0, 10).high)
    )
    with pytest.raises(
        ValueError, match=r"values from -0.3 to -0.2 within 0.0 and 1.0: give their own bounds"
    ):
        cluster_bootstrap([-0.3, -0.2], ["f", "f"])


def test_shares_that_are_all_alike_have_wilson_s_interval_around_what_they_are() -> None:
    assert cluster_bootstrap([0.0] * 7, range(7)) == pytest.approx(wilson(0, 7))
    assert cluster_bootstrap([1.0] * 7, range(7)) == pytest.approx(wilson(7, 7))
    assert cluster_bootstrap([0.3] * 2, range(2)).estimate == 0.3  # and no half, as of trials
    halves = cluster_bootstrap([1.0, 0.0] * 7, [i // 2 for i in range(14)])
    assert halves.low < halves.estimate == 0.5 < halves.high


@pytest.mark.parametrize("counts", [[3.0], [3.0] * 9])
def test_counts_that_are_all_alike_leave_their_ends_open_and_show_none(counts: list[float]) -> None:
    found = cluster_bootstrap(counts, range(len(counts)), within=(0, math.inf))
    assert (found.high, found.ends, str(found)) == (math.inf, (None, None), "3.00")
    assert str(cluster_bootstrap([2.0, 4.0] * 9, range(18), within=(0, math.inf))).startswith(
        "3.00 [2."
    )


def test_a_ratio_of_sums_is_exact_where_all_clusters_agree_and_wide_where_they_differ() -> None:
    assert ratio_bootstrap([1, 2, 3], [2, 4, 6], "abc") == (0.5, 0.5, 0.5)
    found = ratio_bootstrap([-1, 4, 3, 0], [1, 1, 2, 1], "abcd")
    assert found.estimate == 6 / 5
    assert found.low < found.estimate < found.high


@pytest.mark.parametrize(
    ("over", "under"), [([1.0], [0.0]), ([1.0], [-1.0]), ([1.0], [1.0, 2.0]), ([], [])]
)
def test_a_ratio_needs_something_to_divide_by(over: list[float], under: list[float]) -> None:
    with pytest.raises(ValueError, match=r"need"):
        ratio_bootstrap(over, under, range(len(over)))
