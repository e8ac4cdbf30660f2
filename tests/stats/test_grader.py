"""The true share behind the verdicts of a grader that makes errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import ErrorRates, Interval, rogan_gladen, wilson


def test_formula_of_rogan_and_gladen_1978() -> None:
    """A share of 0.30, sensitivity 0.9 and specificity 0.8: (0.30 + 0.8 - 1) / 0.7."""
    assert rogan_gladen(wilson(30, 100), ErrorRates(0.9, 0.8)).estimate == pytest.approx(1 / 7)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_perfect_grader_changes_nothing(case: tuple[int, int]) -> None:
    assert rogan_gladen(wilson(*case), ErrorRates(1.0, 1.0)) == pytest.approx(wilson(*case))


@given(st.integers(0, 50), st.floats(0.6, 1), st.floats(0.6, 1), st.integers(5, 500))
def test_a_small_calibration_widens_the_interval(
    right: int, sensitivity: float, specificity: float, size: int
) -> None:
    share = wilson(right, 50)
    exact = rogan_gladen(share, ErrorRates(sensitivity, specificity))
    estimated = rogan_gladen(share, ErrorRates(sensitivity, specificity, size, size))
    assert 0 <= estimated.low <= exact.low <= exact.estimate <= exact.high <= estimated.high <= 1


@given(st.floats(0.6, 1), st.floats(0.6, 1), st.integers(0, 49))
def test_the_share_rises_with_accepted_answers(
    sensitivity: float, specificity: float, right: int
) -> None:
    fewer, more = (
        rogan_gladen(wilson(n, 50), ErrorRates(sensitivity, specificity))
        for n in (right, right + 1)
    )
    assert fewer.estimate <= more.estimate


@pytest.mark.parametrize("true", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("size", [None, 100])
def test_covers_the_true_share(true: float, size: int | None) -> None:
    rng = np.random.default_rng(0)
    hits = 0
    runs = 400
    for _ in range(runs):
        accepted = rng.binomial(200, true * 0.95 + (1 - true) * 0.1)
        rates = (0.95, 0.9)
        if size:
            rates = (rng.binomial(size, 0.95) / size, rng.binomial(size, 0.9) / size)
        interval = rogan_gladen(wilson(accepted, 200), ErrorRates(*rates, size, size))
        hits += interval.low <= true <= interval.high
    assert hits / runs >= 0.92


def test_a_share_that_a_weak_grader_cannot_explain_gives_the_widest_interval() -> None:
    """The grader accepts 7% of wrong and 16% of right answers, but the share is 59%."""
    interval = rogan_gladen(Interval(0.59, 0.44, 0.74), ErrorRates(0.16, 0.93, 69, 68))
    assert (interval.low, interval.high) == (0, 1)


def test_a_grader_no_better_than_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="no better than chance"):
        rogan_gladen(Interval(0.5, 0.4, 0.6), ErrorRates(0.5, 0.5))
