"""Coverage, bounds and refusals of intervals."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.stats import cluster_bootstrap, ratio_bootstrap, wilson


def test_wilson_example_of_newcombe_1998() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662."""
    interval = wilson(81, 263)
    assert (interval.low, interval.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_contains_its_estimate(case: tuple[int, int]) -> None:
    interval = wilson(*case)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


def test_bootstrap_covers_the_true_mean_of_dependent_values() -> None:
    rng = random.Random(0)
    hits = 0
    for _ in range(200):
        values = []
        clusters = []
        for cluster in range(30):
            value = float(rng.random() < 0.7)
            values += [value] * 8
            clusters += [cluster] * 8
        interval = cluster_bootstrap(values, clusters, resamples=500)
        hits += interval.low <= 0.7 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_wordings_of_one_fact_do_not_narrow_the_interval() -> None:
    values = [1.0, 0.0] * 12
    single = cluster_bootstrap(values, range(24))
    tenfold = cluster_bootstrap(
        [v for v in values for _ in range(10)], [i for i in range(24) for _ in range(10)]
    )
    assert single.high - single.low == pytest.approx(tenfold.high - tenfold.low, abs=0.02)


def test_all_right_still_gives_an_interval() -> None:
    assert cluster_bootstrap([1.0] * 10, range(10)).low < 0.8


@pytest.mark.parametrize("bad", [(2, 1), (0, 0), (-1, 3)])
def test_wilson_refuses_impossible_counts(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="right of"):
        wilson(*bad)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("total", [23, 200])
def test_wilson_covers_the_truth(share: float, total: int) -> None:
    """Exact coverage, summed over all outcomes.

    It oscillates around the nominal level (Brown, Cai & DasGupta 2001).
    """
    covered = (
        k for k in range(total + 1) if (interval := wilson(k, total)).low <= share <= interval.high
    )
    assert 0.92 <= sum(float(binom.pmf(k, total, share)) for k in covered) <= 0.985


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_wilson_rises_with_right_answers_and_narrows_with_questions(case: tuple[int, int]) -> None:
    right, total = case
    less = wilson(right, total)
    more = wilson(right + 1, total)
    assert less.low <= more.low
    assert less.high <= more.high
    tenfold = wilson(10 * right, 10 * total)
    assert tenfold.high - tenfold.low < less.high - less.low


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=60))
def test_bootstrap_contains_its_estimate_and_mirrors(pairs: list[tuple[bool, int]]) -> None:
    values = [float(value) for value, _ in pairs]
    clusters = [cluster for _, cluster in pairs]
    interval = cluster_bootstrap(values, clusters, resamples=300)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    wrong = cluster_bootstrap([1 - v for v in values], clusters, resamples=300)
    assert (wrong.low, wrong.high) == pytest.approx((1 - interval.high, 1 - interval.low))


BOUNDS = [(0, 1), (-1, 1), (1, 5), (0, math.inf), (-math.inf, math.inf)]


@st.composite
def means(draw: st.DrawFn) -> tuple[list[float], list[int], tuple[float, float]]:
    """Values in clusters, with their bounds; often all equal, which is the special case."""
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
    interval = cluster_bootstrap(values, clusters, resamples=100, within=(least, most))
    assert interval.estimate == pytest.approx(sum(values) / len(values))
    slack = 1e-9 * max(map(abs, values))
    assert least - slack <= interval.low <= interval.estimate <= interval.high <= most + slack
    if len(set(values)) == 1 and least + slack < values[0] < most - slack:
        assert interval.low < interval.estimate < interval.high


def test_a_difference_of_shares_needs_its_own_bounds() -> None:
    assert cluster_bootstrap([-0.3, -0.2], ["f", "f"], within=(-1, 1)) == (-0.25, -1, 1)
    interval = cluster_bootstrap([-0.5] * 10, range(10), within=(-1, 1))
    assert interval == pytest.approx(
        (-0.5, -0.5 - 0.5 * wilson(0, 10).high, -0.5 + 1.5 * wilson(0, 10).high)
    )
    with pytest.raises(
        ValueError, match=r"values from -0.3 to -0.2 within 0.0 and 1.0: give their own bounds"
    ):
        cluster_bootstrap([-0.3, -0.2], ["f", "f"])


def test_equal_shares_have_wilson_s_interval_around_their_value() -> None:
    assert cluster_bootstrap([0.0] * 7, range(7)) == pytest.approx(wilson(0, 7))
    assert cluster_bootstrap([1.0] * 7, range(7)) == pytest.approx(wilson(7, 7))
    # The estimate is the mean of the values, not a share of whole trials as in Wilson's interval.
    assert cluster_bootstrap([0.3] * 2, range(2)).estimate == 0.3
    halves = cluster_bootstrap([1.0, 0.0] * 7, [i // 2 for i in range(14)])
    assert halves.low < halves.estimate == 0.5 < halves.high


@pytest.mark.parametrize("counts", [[3.0], [3.0] * 9])
def test_equal_counts_without_an_upper_bound_show_no_ends(counts: list[float]) -> None:
    interval = cluster_bootstrap(counts, range(len(counts)), within=(0, math.inf))
    assert (interval.high, interval.ends, str(interval)) == (math.inf, (None, None), "3.00")
    assert str(cluster_bootstrap([2.0, 4.0] * 9, range(18), within=(0, math.inf))).startswith(
        "3.00 [2."
    )


def test_a_ratio_is_exact_where_all_clusters_agree_and_wide_where_they_differ() -> None:
    assert ratio_bootstrap([1, 2, 3], [2, 4, 6], "abc") == (0.5, 0.5, 0.5)
    interval = ratio_bootstrap([-1, 4, 3, 0], [1, 1, 2, 1], "abcd")
    assert interval.estimate == 6 / 5
    assert interval.low < interval.estimate < interval.high


@pytest.mark.parametrize(
    ("over", "under"), [([1.0], [0.0]), ([1.0], [-1.0]), ([1.0], [1.0, 2.0]), ([], [])]
)
def test_a_ratio_needs_a_positive_divisor(over: list[float], under: list[float]) -> None:
    with pytest.raises(ValueError, match=r"need"):
        ratio_bootstrap(over, under, range(len(over)))
