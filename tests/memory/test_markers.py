"""Marks of time before lines of a chat."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from harness.errors import RecipeError
from harness.memory.markers import ABSOLUTE, NONE, RELATIVE, mark, marked
from harness.memory.passages import Passage, Turn, spans

SAID = datetime(2031, 4, 5, 19, 30)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, "today, evening"),
        (1, "yesterday, evening"),
        (3, "3 days ago, evening"),
        (13, "13 days ago, evening"),
        (14, "2 weeks ago, evening"),
        (75, "2 months ago, evening"),
        (800, "2 years ago, evening"),
        (-1, "in 1 day, evening"),
    ],
)
def test_how_long_ago(days: int, expected: str) -> None:
    assert mark(SAID, RELATIVE, SAID + timedelta(days=days)) == expected


@pytest.mark.parametrize(
    ("hour", "part"), [(0, "night"), (5, "morning"), (12, "afternoon"), (18, "evening")]
)
def test_parts_of_a_day(hour: int, part: str) -> None:
    assert mark(SAID.replace(hour=hour), RELATIVE, SAID) == f"today, {part}"


def test_every_line_is_marked_and_what_has_no_time_is_left() -> None:
    turns = (Turn("Ada", "I bought a lamp.", SAID), Turn("Bo", "Good night.", SAID))
    (passage,) = spans(turns)
    undated = Passage("Ada: Hello.")
    dated, same = marked((passage, undated), ABSOLUTE, SAID)
    assert dated.text == "[2031-04-05] Ada: I bought a lamp.\n[2031-04-05] Bo: Good night."
    assert same == undated
    assert marked((passage,), NONE, SAID) == (passage,)
    with pytest.raises(RecipeError, match="markers 'exact' is unknown: choose one of none"):
        marked((passage,), "exact", SAID)
