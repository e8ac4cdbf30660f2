"""Chat logs in plain text: lines ``Name: text``, with dates in the forms that exports have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from harness.data.times import time_of
from harness.memory.passages import Turn

_DAY = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"  # 2026-01-05
    r"|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"  # 5/1/26, 05.01.2026
    r"|(?:\w{3,9},? )?\d{1,2}(?:st|nd|rd|th)? \w{3,9},? \d{4}"  # Monday, 5th January 2026
    r"|(?:\w{3,9},? )?\w{3,9} \d{1,2}(?:st|nd|rd|th)?,? \d{4}"  # January 5, 2026
)
_HOUR = (
    r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\.\d+)?[ \u202f\u00a0]?(?:[AaPp]\.?[Mm]\b\.?)?"
    r"(?:Z|[+-]\d{2}:?\d{2})?"
)
_STAMP = re.compile(
    rf"[\u200e\u200f]*(?:[\[(](?P<inside>(?:{_DAY})(?:[,T ]+(?:at )?{_HOUR})?)[\])]"
    rf"|(?P<bare>(?:{_DAY})[,T ]+{_HOUR}))\s*(?:[-\u2013]\s)?\s*[\u200e\u200f]*(?P<rest>.*)"
)
"""A date at the start of a line, in brackets or with a time: ``[2026-01-05 09:12] Ann: hello``,
``5/1/26, 9:12 AM - Ann: hello``."""
_DAY_LINE = re.compile(rf"[-\u2013\u2014=*\[( ]*({_DAY})[-\u2013\u2014=*\]) ]*")
"""A line with nothing but a date, for the turns below it."""
_SAID = re.compile(
    r"(?P<name>[^\W_][^:\n\[\]{}<>\"|]{0,39}?|\+[\d \-()\u202a\u202c]{5,24}): ?(?P<text>.*)"
)
_WORDS_OF_A_NAME = 4
_NUMERIC = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.]\d{2,4}")
_MOST_LINES = 0.8
"""Share of the lines of an undated log that are ``Name: text``, at least."""


class ChatLog(NamedTuple):
    """The turns of a chat log."""

    turns: tuple[Turn, ...]
    notices: int = 0
    """Dated lines that nobody said (*Ann created the group*); they are left out."""


class _Line(NamedTuple):
    """A line of a log, taken apart."""

    raw: str
    stamp: str = ""
    name: str = ""
    text: str = ""


def read_chat_log(text: str) -> ChatLog | None:
    """The turns of ``text``; None where it is no chat log.

    A log has two or more lines ``Name: text``. Either each begins with a date, and lines without
    one continue a turn, or nearly all lines are of this form and the same names come back. A line
    that is a date alone dates the turns below it. In dates such as 3/12/26 the day comes first,
    unless the log has a day that tells, or a time with AM or PM.
    """
    lines = [_parted(line) for line in text.splitlines() if line.strip()]
    is_dated = sum(bool(line.stamp and line.name) for line in lines) > 1
    if is_dated and any(line.stamp for line in lines[:1]):
        return _dated(lines)
    return _undated(lines) if _is_undated_log(lines) else None


def _parted(raw: str) -> _Line:
    stamp = ""
    rest = raw.strip()
    if match := _STAMP.fullmatch(rest):
        stamp = match["inside"] or match["bare"]
        rest = match["rest"]
    said = _SAID.fullmatch(rest)
    if not said or len(said["name"].split()) > _WORDS_OF_A_NAME or said["text"].startswith("//"):
        return _Line(raw.strip(), stamp)
    return _Line(raw.strip(), stamp, said["name"].strip(), said["text"])


def _is_undated_log(lines: Sequence[_Line]) -> bool:
    said = [line for line in lines if not _DAY_LINE.fullmatch(line.raw)]
    names = Counter(line.name for line in said if line.name)
    turns = names.total()
    return turns > 1 and turns >= _MOST_LINES * len(said) and len(names) <= max(2, turns / 2)


def _dated(lines: Sequence[_Line]) -> ChatLog:
    stamps = [line.stamp for line in lines if line.stamp]
    day_first = _is_day_first(stamps)
    turns: list[Turn] = []
    notices = 0
    for line in lines:
        if line.stamp and line.name:
            turns.append(Turn(line.name, line.text, time_of(line.stamp, day_first)))
        elif line.stamp and not _DAY_LINE.fullmatch(line.raw):
            notices += 1
        elif turns and not line.stamp:
            turns[-1] = turns[-1]._replace(text=f"{turns[-1].text}\n{line.raw}")
    return ChatLog(tuple(turns), notices)


def _undated(lines: Sequence[_Line]) -> ChatLog:
    days = [match[1] for line in lines if (match := _DAY_LINE.fullmatch(line.raw))]
    day_first = _is_day_first(days)
    turns: list[Turn] = []
    at: datetime | None = None
    for line in lines:
        if match := _DAY_LINE.fullmatch(line.raw):
            at = time_of(match[1], day_first)
        elif line.name:
            turns.append(Turn(line.name, line.text, at))
        elif turns:
            turns[-1] = turns[-1]._replace(text=f"{turns[-1].text}\n{line.raw}")
    return ChatLog(tuple(turns))


def _is_day_first(stamps: Iterable[str]) -> bool:
    """Whether 3/12/26 is the third of December, by the other dates of the same log."""
    stamps = list(stamps)
    pairs = [(int(match[1]), int(match[2])) for stamp in stamps if (match := _NUMERIC.match(stamp))]
    if any(first > 12 for first, _ in pairs):
        return True
    if any(second > 12 for _, second in pairs):
        return False
    return not any(re.search(r"[AaPp]\.?[Mm]\b", stamp) for stamp in stamps)
