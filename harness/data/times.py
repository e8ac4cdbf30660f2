"""Dates and times as people and their tools write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime


def time_of(value: object, day_first: bool = True) -> datetime | None:
    """The time that ``value`` says: a date in words or figures, or seconds since 1970.

    None where it says none. A date without a year is none.
    """
    from dateutil.parser import parse

    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if value > 1e11 else value  # some tools write milliseconds
        try:
            return datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            return None
    if not isinstance(value, str) or not re.search(r"\d{4}|\d[-/.]\d{1,2}[-/.]\d", value):
        return None
    plain = re.sub(r"[\u200e\u200f]|\(\w+\)|\b(?:on|at)\b", " ", value.replace("\u202f", " "))
    plain = re.sub(r"(?<=\d)\.(?=\d{2}(?:\s|$))", ":", plain) if ":" not in plain else plain
    is_iso = re.match(r"\s*\d{4}[-/.]", plain) is not None
    try:
        return parse(plain, dayfirst=day_first and not is_iso)
    except (ValueError, OverflowError):
        return None
