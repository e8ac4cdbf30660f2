"""When two values are equal: 5 km and 5,000 m, third and 3, a year and a day in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from harness.grading._values import Date, Token

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
