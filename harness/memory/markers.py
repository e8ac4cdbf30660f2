"""Marks of time before what was said: on which day, or how long ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from harness.errors import RecipeError
from harness.memory.passages import Passage

NONE, RELATIVE, ABSOLUTE = "none", "relative", "absolute"
MARKERS = (NONE, RELATIVE, ABSOLUTE)
_PARTS = ((5, "night"), (12, "morning"), (18, "afternoon"), (24, "evening"))
"""Of a day: until which hour, and its name."""
_UNITS = ((365, "year"), (30, "month"), (7, "week"))
"""Days of longer times, which are counted from two on."""


def marked(passages: Sequence[Passage], how: str, now: datetime) -> tuple[Passage, ...]:
    """``passages`` with a mark before every line of those that have a time, seen from ``now``.

    ``absolute``: ``[2031-04-05]``; ``relative``: ``[3 days ago, evening]``. Each line has its mark,
    as a line may be quoted or learnt without the others. A relative mark is right only at ``now``:
    what is learnt should have absolute ones.

    Raises:
        RecipeError: ``how`` is unknown.
    """
    if how not in MARKERS:
        raise RecipeError(f"markers {how!r} is unknown: choose one of {', '.join(MARKERS)}")
    if how == NONE:
        return tuple(passages)
    return tuple(_marked(passage, how, now) if passage.when else passage for passage in passages)


def mark(at: datetime, how: str, now: datetime) -> str:
    """The mark of ``at`` without its brackets."""
    return f"{at:%Y-%m-%d}" if how == ABSOLUTE else f"{_ago(at, now)}, {_part(at)}"


def _marked(passage: Passage, how: str, now: datetime) -> Passage:
    text = mark(datetime.fromisoformat(passage.when), how, now)
    lines = (f"[{text}] {line}" if line.strip() else line for line in passage.text.split("\n"))
    return replace(passage, text="\n".join(lines))


def _ago(at: datetime, now: datetime) -> str:
    days = (now.date() - at.date()).days
    if days < 0:
        return f"in {_counted(-days, 'day')}"
    if days < 2:
        return ("today", "yesterday")[days]
    for length, unit in _UNITS:
        if days >= 2 * length:
            return f"{_counted(days // length, unit)} ago"
    return f"{_counted(days, 'day')} ago"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _part(at: datetime) -> str:
    return next(name for hour, name in _PARTS if at.hour < hour)
