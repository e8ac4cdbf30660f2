"""An answer as tokens: words, and values (numbers, dates, money, ...) with what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

from harness.grading._claims import BOUND_AFTER, BOUND_BEFORE, NUMBER, ROMAN, TOKEN
from harness.grading._scripts import in_digits
from harness.grading._text import COMPARISONS, CURRENCIES, MONTHS, SCALES, UNITS, folded_words

_NUMBER = re.compile(NUMBER, re.VERBOSE)
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_NAMED_TIMES = {"noon": "12:00 pm", "midday": "12:00 pm", "midnight": "12:00 am"}
_MAY_BE_BOUND = {"number", "quantity", "money", "percent", "date"}
_LONGEST_BOUND = 20
"""Characters before a value in which *at least* or the like is looked for."""

Date = tuple[int, int, int]
"""Year, month, day; 0 for each that the text leaves open."""


class Reading(NamedTuple):
    """A kind of value, the value, and how it is shown."""

    kind: str
    value: Any
    text: str


class Token(NamedTuple):
    """A word or a value of a text."""

    text: str
    """Folded; of a value, how it is shown."""
    kind: str
    """``word``, ``number``, ``ordinal``, ``roman``, ``date``, ``time``, ``money``, ``percent``,
    ``quantity``, ``range``, ``comparison``, ``year`` (of two digits), ``decade``, ``ratio``,
    ``code``, ``sign``."""
    value: Any
    start: int
    """Place in the text, as ``in_digits`` has it."""
    end: int
    capital: bool = False


@lru_cache(maxsize=8192)
def tokens(text: str) -> tuple[Token, ...]:
    """``text`` in tokens; *5 km* is one, and so is *at least 18*."""
    text = in_digits(text)
    parts = [token for match in TOKEN.finditer(text) for token in _read(text, match)]
    bounds = [token for token in parts if token.kind == "comparison"]
    if not bounds:
        return tuple(parts)
    return tuple(t for t in parts if t in bounds or not _within(t, bounds))


def _within(token: Token, bounds: list[Token]) -> bool:
    """Whether ``token`` is a word of a bound, such as *least* of *at least 18*."""
    return any(bound.start <= token.start < bound.end for bound in bounds)


def _read(text: str, match: re.Match[str]) -> list[Token]:
    """The tokens of one match of the pattern."""
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
        if match["currency"].lower().startswith("pound"):  # of weight, or of money
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
    """Both ends; *5 and 6* are two numbers, *between 5 and 6* are the ends of a range."""
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
    """A year; one before Christ is negative."""
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
    """A time of day; what is none, such as 31:12, is a score."""
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
    """The dates that ``text`` may mean: 3/4/1990 is one in March or one in April."""
    plain = re.sub(r"\b(of|the|day)\b", " ", text)
    try:
        readings = [_day(plain, day_first) for day_first in (False, "-" not in text)]
    except (ValueError, OverflowError):
        return ()
    return tuple(dict.fromkeys(readings))


def _day(text: str, day_first: bool) -> Date:
    """What the parser takes from its default, it takes from both: that, the text leaves open."""
    from dateutil import parser

    bases = (datetime(4, 1, 1), datetime(8, 2, 2))
    one, other = (parser.parse(text, default=base, dayfirst=day_first) for base in bases)
    return (
        one.year if one.year == other.year else 0,
        one.month if one.month == other.month else 0,
        one.day if one.day == other.day else 0,
    )


def _shown(date: Date) -> str:
    year, month, day = date
    parts = (f"{year:04}" if year else "?", f"{month:02}" if month else "?")
    return "-".join((*parts, f"{day:02}" if day else "?"))


def _plain(kind: str, group: str, match: re.Match[str]) -> Reading:
    """A kind whose value is its text."""
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
"""How each group of the pattern is read; None where it is no such value after all."""


def _numbers(match: re.Match[str]) -> Iterator[Token]:
    """Each number within ``match`` by itself."""
    for part in _NUMBER.finditer(match[0]):
        amount = _amount(part[0])
        start, end = (match.start() + place for place in part.span())
        yield Token(f"{amount:g}", "number", amount, start, end)


def _amount(number: str) -> float:
    digits = re.sub(r"[\s\u00a0\u202f,]", "", number)
    return float(digits.replace(".", "") if digits.count(".") > 1 else digits)


def _with_bound(text: str, token: Token) -> Token:
    """``token``, or a comparison where *at least* stands before it or *or more* behind it."""
    if token.kind not in _MAY_BE_BOUND:
        return token
    left = max(0, token.start - _LONGEST_BOUND)
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
    """Words as they are compared; a Roman numeral behind a capital word has a value, too."""
    raw, (start, end) = match[0], match.span()
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
    return sum(-one if one < after else one for one, after in pairwise([*values, 0]))
