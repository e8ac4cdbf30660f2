"""Where a learning curve reaches a level."""

from __future__ import annotations

from typing import Any

import pytest

from harness.stats import crossing


def test_it_lies_on_the_line_between_two_places() -> None:
    found = crossing([0, 10, 30], [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
    assert found is not None
    assert found.estimate == pytest.approx(20)
    assert 0 < found.low <= 20 <= found.high <= 30


def test_facts_that_learn_alike_leave_no_doubt() -> None:
    found = crossing([0, 8], [[0.0] * 5, [1.0] * 5])
    assert found == (4, 4, 4)


def test_the_first_time_counts() -> None:
    found = crossing([0, 2, 4, 6], [[0, 0], [1, 1], [0, 0], [1, 1]])
    assert found is not None
    assert found.estimate == 1


def test_a_level_that_is_never_reached_has_no_place() -> None:
    assert crossing([0, 5], [[0, 0, 0], [1, 0, 0]]) is None


def test_resamples_that_never_reach_it_count_as_the_end() -> None:
    found = crossing([0, 5], [[0, 0, 0, 0], [1, 1, 0, 0]])
    assert found is not None
    assert found.estimate == 5
    assert found.high == 5


def test_what_is_known_before_takes_no_step() -> None:
    assert crossing([0, 5], [[1, 1], [1, 1]]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("at", "shares"),
    [([0], [[1]]), ([0, 0], [[1], [1]]), ([0, 1], [[1], [1, 0]]), ([0, 1], [[], []])],
)
def test_rows_that_do_not_fit(at: list[int], shares: list[Any]) -> None:
    with pytest.raises(ValueError, match="rows"):
        crossing(at, shares)
