"""A text as tokens: words, and values such as numbers, dates and money."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

from harness.grading._patterns import BOUND_AFTER, BOUND_BEFORE, NUMBER, ROMAN, TOKEN, in_digits
from harness.grading._text import COMPARISONS, CURRENCIES, MONTHS, SCALES, UNITS, folded_words

_NUMBER = re.compile(NUMBER, re.VERBOSE)
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NAMED_TIMES = {"noon": "12:00 pm", "midday": "12:00 pm", "midnight": "12:00 am"}
_MAY_BE_BOUND = {"number", "quantity", "money", "percent", "date"}
_BOUND_LENGTH = 20
"""Characters before a value that may hold its bound, such as *at least*."""

Date = tuple[int, int, int]
"""Year, month, day; 0 for each one that the text does not give."""


class Reading(NamedTuple):
    """A value of a text: its kind, the value, and how it is shown."""

    kind: str
    value: Any
    text: str


class Token(NamedTuple):
    """A word or a value of a text."""

    text: str
    """A word in lower case without accents; or how a value is shown."""
    kind: str
    """``word``, ``number``, ``ordinal``, ``roman``, ``date``, ``time``, ``money``, ``percent``,
    ``quantity``, ``range``, ``comparison``, ``year`` (of two digits), ``decade``, ``ratio``,
    ``code``, ``sign``."""
    value: Any
    start: int
    """First character in the text that ``in_digits`` returns."""
    end: int
    """The character after the last one."""
    capital: bool = False
    """Whether a word begins with a capital letter."""


@lru_cache(maxsize=8192)
def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of ``text``; *5 km* is one token, and so is *at least 18*."""
    text = in_digits(text)
    all_tokens = [token for match in TOKEN.finditer(text) for token in _read(text, match)]
    comparisons = [token for token in all_tokens if token.kind == "comparison"]
    if not comparisons:
        return tuple(all_tokens)
    return tuple(t for t in all_tokens if t in comparisons or not _within(t, comparisons))


def _within(token: Token, comparisons: list[Token]) -> bool:
    """Whether ``token`` is part of a comparison, such as *least* of *at least 18*."""
    return any(other.start <= token.start < other.end for other in comparisons)


def _read(text: str, match: re.Match[str]) -> list[Token]:
    """The tokens of one match of the pattern ``TOKEN``."""
    if match["word"] is not None:
        return _words(text, match)
    for group, read in _READERS.items():
        if match[group] is not None:
            reading = read(match)
            if reading is None:
                return list(_numbers(match))
            token = Token(reading.text, reading.kind, reading.value, *match.span())
            return [_with_bound(text, token)]
    return []


def _number(match: re.Match[str]) -> Reading:
    amount = _amount(match["number"]) * SCALES.get((match["scale"] or "").lower(), 1)
    if match["percent"]:
        return Reading("percent", amount, f"{amount:g}%")
    if currency := CURRENCIES.get((match["currency"] or "").lower()):
        if match["currency"].lower().startswith("pound"):  # a weight or money: see _same_pounds
            return Reading("quantity", (amount, "pound"), f"{amount:g} pound")
        return Reading("money", (amount, currency), f"{amount:g} {currency}")
    if match["unit"]:
        unit = UNITS[match["unit"].lower()]
        return Reading("quantity", (amount, unit), f"{amount:g} {unit}")
    if re.fullmatch(r"\d+\.[1-9]0", match["number"]):  # a version: 3.10 is not 3.1
        return Reading("number", (amount, match["number"]), match["number"])
    return Reading("number", amount, f"{amount:g}" if abs(amount) < 1e6 else f"{amount:.0f}")


def _money(match: re.Match[str]) -> Reading:
    amount = _amount(match["money"]) * SCALES.get((match["money_scale"] or "").lower(), 1)
    currency = CURRENCIES[match["before_money"].lower()]
    return Reading("money", (amount, currency), f"{amount:g} {currency}")


def _range(match: re.Match[str]) -> Reading | None:
    """Both ends of a range, such as *between 5 and 6*; None for the two numbers *5 and 6*."""
    if " and " in match[0].lower() and not match[0].lower().startswith("between"):
        return None
    low, high = (_amount(part.strip("$€£¥.,")) for part in (match["low"], match["high"]))
    if len(match["high"]) == 2 and len(match["low"]) == 4 and high < 100:  # 1990-95
        high += low - low % 100
    return Reading("range", (low, high), f"{low:g} to {high:g}")


def _fraction(match: re.Match[str]) -> Reading | None:
    top, bottom = map(int, re.split(r"\s?[/\u2044]\s?", match["fraction"]))
    return Reading("number", top / bottom, f"{top}/{bottom}") if bottom else None


def _era(match: re.Match[str]) -> Reading:
    """A year; a year BC is negative."""
    year = int(match["era"] or match["era_after"])
    before = (match["which_era"] or "").lower().startswith("b")
    return Reading("number", float(-year if before else year), f"{year} {'BC' if before else 'AD'}")


def _decade(match: re.Match[str]) -> Reading:
    digits = re.sub(r"\D", "", match["decade"])
    return Reading("decade", int(digits), f"{digits}s")


def _clock(match: re.Match[str]) -> Reading:
    """*noon*, *9 in the morning*."""
    text = match["clock"].lower()
    if text in _NAMED_TIMES:
        return _moment(_NAMED_TIMES[text])
    digits = re.match(r"\d{1,2}(?:[:.]\d{2})?", text)
    half = "am" if text.endswith("morning") else "pm"
    return _moment(f"{digits[0] if digits else ''} {half}")


def _moment(text: str) -> Reading:
    """A time of day, or a ratio where the text is not one (31:12 is a score)."""
    from dateutil import parser

    plain = re.sub(r"\s?o'?clock", ":00", text, flags=re.IGNORECASE)
    plain = plain.replace(".m.", "m").replace(".", ":")
    try:
        moment = parser.parse(plain)
    except (ValueError, OverflowError):
        return Reading("ratio", text, text)
    return Reading("time", (moment.hour, moment.minute), f"{moment:%H:%M}")


def _date(match: re.Match[str], group: str) -> Reading | None:
    dates = _dates(match[group])
    return Reading("date", dates, "/".join(map(_shown, dates))) if dates else None


def _dates(text: str) -> tuple[Date, ...]:
    """The dates that ``text`` may mean: 3/4/1990 is a day in March or in April."""
    plain = re.sub(r"\b(of|the|day)\b", " ", text)
    try:
        # With hyphens the date is ISO 8601 (year, month, day), which has only one reading.
        readings = [_day(plain, day_first) for day_first in (False, "-" not in text)]
    except (ValueError, OverflowError):
        return ()
    return tuple(dict.fromkeys(readings))


def _day(text: str, day_first: bool) -> Date:
    """The date in ``text``, with 0 for the parts that it does not give.

    The parser fills such parts from its default date. They are the parts that differ between two
    default dates.
    """
    from dateutil import parser

    defaults = (datetime(4, 1, 1), datetime(8, 2, 2))  # leap years, so that 29 February is read
    first, second = (parser.parse(text, default=day, dayfirst=day_first) for day in defaults)
    return (
        first.year if first.year == second.year else 0,
        first.month if first.month == second.month else 0,
        first.day if first.day == second.day else 0,
    )


def _shown(date: Date) -> str:
    year, month, day = date
    parts = (f"{year:04}" if year else "?", f"{month:02}" if month else "?")
    return "-".join((*parts, f"{day:02}" if day else "?"))


def _plain(kind: str, group: str, match: re.Match[str]) -> Reading:
    """A value that is compared as text, such as a code."""
    text = match[group].lower()
    return Reading(kind, text, text)


_READERS: dict[str, Callable[[re.Match[str]], Reading | None]] = {
    "number": _number,
    "ordinal": lambda match: Reading("ordinal", float(match["ordinal"]), match["ordinal"]),
    "iso": partial(_date, group="iso"),
    "day_first": partial(_date, group="day_first"),
    "month_first": partial(_date, group="month_first"),
    "month_of_year": partial(_date, group="month_of_year"),
    "code": partial(_plain, "code", "code"),
    "clock": _clock,
    "time": lambda match: _moment(match["time"]),
    "ratio": partial(_plain, "ratio", "ratio"),
    "decade": _decade,
    "short_year": lambda match: Reading("year", int(match[0][1:]), match[0]),
    "low": _range,
    "before_money": _money,
    "fraction": _fraction,
    "era": _era,
    "era_after": _era,
    "signed": partial(_plain, "sign", "signed"),
}
"""The reader of each group of ``TOKEN``; it returns None where the text is not such a value."""


def _numbers(match: re.Match[str]) -> Iterator[Token]:
    """The numbers in ``match``, each as a token."""
    for number in _NUMBER.finditer(match[0]):
        amount = _amount(number[0])
        start = match.start() + number.start()
        end = match.start() + number.end()
        yield Token(f"{amount:g}", "number", amount, start, end)


def _amount(number: str) -> float:
    digits = re.sub(r"[\s\u00a0\u202f,]", "", number)
    return float(digits.replace(".", "") if digits.count(".") > 1 else digits)


def _with_bound(text: str, token: Token) -> Token:
    """``token``, or a comparison where *at least* is before it or *or more* after it."""
    if token.kind not in _MAY_BE_BOUND:
        return token
    left = max(0, token.start - _BOUND_LENGTH)
    before = BOUND_BEFORE.search(text[left : token.start])
    if before and before["bound"]:
        sign = COMPARISONS[re.sub(r"\s+", " ", before["bound"].lower())]
        return _compared(token, sign, left + before.start("bound"), token.end)
    after = None if before else BOUND_AFTER.match(text, token.end)
    if after:
        return _compared(token, ">=" if after["least"] else "<=", token.start, after.end())
    return token


def _compared(token: Token, sign: str, start: int, end: int) -> Token:
    value = (sign, token.kind, token.value)
    return Token(f"{sign} {token.text}", "comparison", value, start, end)


def _words(text: str, match: re.Match[str]) -> list[Token]:
    """The words of one match; a Roman numeral after a capitalised word has a value, too."""
    raw = match[0]
    start, end = match.span()
    capital = raw[:1].isupper()
    parts = [
        Token(MONTHS.get(word, word), "word", None, start, end, capital)
        for word in folded_words(raw)
    ]
    if len(parts) == 1 and start and raw.isupper() and ROMAN.fullmatch(raw):
        before = re.search(r"(\w+)\s$", text[max(0, start - 40) : start])
        if before and before[1][:1].isupper() and (len(raw) > 1 or raw in "IVX"):
            return [parts[0]._replace(kind="roman", value=float(_roman(raw)))]
    return parts


def _roman(text: str) -> int:
    values = [_ROMAN_DIGITS[letter] for letter in text]
    # A digit before a larger one is subtracted: IX is 9.
    return sum(-value if value < after else value for value, after in pairwise([*values, 0]))
