"""Values in answers, and whether two of them are the same."""

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


_TOLERANCE = 0.005
"""Relative difference of equal quantities: 5 km and 5,000 m are equal, 5 miles and 8 km are not."""
_COUNTS = {"number", "ordinal", "roman"}
_WITH_UNIT = {"quantity", "percent", "money"}


def same_value(target: Token, token: Token, alone: bool = False) -> bool:
    """Whether ``token`` of an answer states the value ``target``.

    ``alone``: the answer states nothing else. A bare number then counts as the number with its
    unit, because the question often names the unit (*How many km ...?*).
    """
    kinds = (target.kind, token.kind)
    if compare := _MIXED.get(kinds):
        return compare(target.value, token.value)
    if kinds[0] in _COUNTS and kinds[1] in _COUNTS:
        return bool(target.value == token.value)
    if alone and kinds[1] == "number" and kinds[0] in _WITH_UNIT:
        return _stands_for(token.value, target)
    return bool(target[1:3] == token[1:3])


def _stands_for(number: Any, target: Token) -> bool:
    """*5* for *5 km*; *75*, and *three quarters*, for *75%*."""
    if target.kind == "percent":
        return number in (target.value, target.value / 100)
    return bool(number == target.value[0])


def _same_date(wanted: tuple[Date, ...], stated: tuple[Date, ...]) -> bool:
    return any(_covers(date, other) for date in wanted for other in stated)


def _covers(wanted: Date, stated: Date) -> bool:
    """Whether ``stated`` has the same year, month and day, as far as ``wanted`` gives them."""
    return all(part == other for part, other in zip(wanted, stated, strict=True) if part)


def _same_decade(decade: int, other: int) -> bool:
    """*'90s* is *1990s*."""
    return decade % 100 == other % 100 if min(decade, other) < 100 else decade == other


def _same_short_year(number: Any, year: int) -> bool:
    """*1990* is *'90*."""
    # The value of a version, such as 3.10, is a tuple.
    return isinstance(number, (int, float)) and number % 100 == year % 100


def _same_pounds(weight: tuple[float, str], money: tuple[float, str]) -> bool:
    """*5 pounds* is read as a weight, and may also be £5."""
    return weight == (money[0], "pound") and money[1] == "GBP"


def _same_time(time: tuple[int, int], number: Any) -> bool:
    """*at 11.45* is 11:45."""
    return isinstance(number, float) and bool(
        number % 1 and f"{number:.2f}" == f"{time[0]}.{time[1]:02}"
    )


def _same_amount(number: Any, quantity: tuple[float, str]) -> bool:
    """*8 km* answers "how many km?", where 8 is accepted; *1.5m* may be 1.5 million."""
    amount, unit = quantity
    return bool(number == amount or (unit == "meter" and number == amount * 1e6))


@lru_cache(maxsize=4096)
def _same_quantity(wanted: tuple[float, str], stated: tuple[float, str]) -> bool:
    if wanted[1] == stated[1]:
        return wanted[0] == stated[0]
    registry = _registry()
    try:
        a = registry.Quantity(*wanted).to_base_units()
        b = registry.Quantity(*stated).to_base_units()
    except Exception:  # pint's errors have no common base class; each means: not comparable
        return False
    if a.dimensionality != b.dimensionality:
        return False
    largest = max(abs(a.magnitude), abs(b.magnitude))
    return bool(abs(a.magnitude - b.magnitude) <= _TOLERANCE * largest)


@lru_cache(maxsize=1)
def _registry() -> Any:
    from pint import UnitRegistry  # takes 0.3 s, so only where two units are compared

    return UnitRegistry()


_MIXED: dict[tuple[str, str], Callable[[Any, Any], bool]] = {
    ("date", "date"): _same_date,
    ("number", "date"): lambda number, dates: any(number == date[0] for date in dates),
    ("number", "year"): _same_short_year,
    ("year", "number"): lambda year, number: _same_short_year(number, year),
    ("decade", "decade"): _same_decade,
    ("time", "number"): _same_time,
    ("quantity", "quantity"): _same_quantity,
    ("quantity", "money"): _same_pounds,
    ("money", "quantity"): lambda money, weight: _same_pounds(weight, money),
    ("number", "quantity"): _same_amount,
    ("number", "percent"): lambda number, percent: bool(number == percent),
}
"""How to compare, by kind of the accepted and of the stated value; other kinds must be equal."""
