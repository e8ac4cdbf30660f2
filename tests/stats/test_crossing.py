"""Where a learning curve reaches a level."""

from __future__ import annotations

from typing import Any

import pytest

from harness.stats import crossing


def test_the_crossing_lies_on_the_line_between_two_places() -> None:
    crossed = crossing([0, 10, 30], [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
    assert crossed is not None
    assert crossed.estimate == pytest.approx(20)
    assert 0 < crossed.low <= 20 <= crossed.high <= 30


def test_facts_with_the_same_curve_give_an_exact_crossing() -> None:
    crossed = crossing([0, 8], [[0.0] * 5, [1.0] * 5])
    assert crossed == (4, 4, 4)


def test_the_first_crossing_counts() -> None:
    crossed = crossing([0, 2, 4, 6], [[0, 0], [1, 1], [0, 0], [1, 1]])
    assert crossed is not None
    assert crossed.estimate == 1


def test_a_level_that_is_never_reached_has_no_place() -> None:
    assert crossing([0, 5], [[0, 0, 0], [1, 0, 0]]) is None


def test_resamples_that_never_reach_the_level_count_as_the_last_place() -> None:
    crossed = crossing([0, 5], [[0, 0, 0, 0], [1, 1, 0, 0]])
    assert crossed is not None
    assert crossed.estimate == 5
    assert crossed.high == 5


def test_a_level_reached_before_training_takes_no_step() -> None:
    assert crossing([0, 5], [[1, 1], [1, 1]]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("at", "shares"),
    [([0], [[1]]), ([0, 0], [[1], [1]]), ([0, 1], [[1], [1, 0]]), ([0, 1], [[], []])],
)
def test_rows_that_do_not_fit_are_refused(at: list[int], shares: list[Any]) -> None:
    with pytest.raises(ValueError, match="rows"):
        crossing(at, shares)
