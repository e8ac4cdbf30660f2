"""When two values are one: 5 km and 5,000 m, third and 3, a day and its year."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from harness.grading._values import Date, Token

_TOLERANCE = 0.005
"""Relative: 5 km and 5,000 m are one length, 5 miles and 8 km are not."""
_COUNTS = {"number", "ordinal", "roman"}
_WITH_UNIT = {"quantity", "percent", "money"}


def same_value(target: Token, token: Token, alone: bool = False) -> bool:
    """Whether ``token`` of an answer states the value ``target``.

    ``alone``: it is all that the answer states. A bare number then stands for the same number with
    its unit, as the question names it.
    """
    kinds = (target.kind, token.kind)
    if same := _MIXED.get(kinds):
        return same(target.value, token.value)
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
    return any(_covers(one, other) for one in wanted for other in stated)


def _covers(wanted: Date, stated: Date) -> bool:
    """Every field that ``wanted`` has, ``stated`` has, too."""
    return all(has == field for field, has in zip(wanted, stated, strict=True) if field)


def _same_decade(one: int, other: int) -> bool:
    """*'90s* is *1990s*."""
    return one % 100 == other % 100 if min(one, other) < 100 else one == other


def _same_short_year(one: float, other: float) -> bool:
    """*'90* is *1990*."""
    return isinstance(one, (int, float)) and one % 100 == other % 100


def _same_pounds(weight: tuple[float, str], money: tuple[float, str]) -> bool:
    """*5 pounds*, which is read as a weight, may be £5."""
    return weight == (money[0], "pound") and money[1] == "GBP"


def _same_time(time: tuple[int, int], number: Any) -> bool:
    """*at 11.45* is 11:45."""
    return isinstance(number, float) and bool(
        number % 1 and f"{number:.2f}" == f"{time[0]}.{time[1]:02}"
    )


def _same_amount(number: Any, quantity: tuple[float, str]) -> bool:
    """*8 legs* has no unit here, *8 km* answers "how many km?", and *1.5m* may be 1.5 million."""
    amount, unit = quantity
    return bool(number == amount or (unit == "meter" and number == amount * 1e6))


@lru_cache(maxsize=4096)
def _same_quantity(one: tuple[float, str], other: tuple[float, str]) -> bool:
    if one[1] == other[1]:
        return one[0] == other[0]
    registry = _registry()
    try:
        a = registry.Quantity(*one).to_base_units()
        b = registry.Quantity(*other).to_base_units()
    except Exception:  # pint's errors share no base class, and all mean that it cannot be compared
        return False
    if a.dimensionality != b.dimensionality:
        return False
    most = max(abs(a.magnitude), abs(b.magnitude))
    return bool(abs(a.magnitude - b.magnitude) <= _TOLERANCE * most)


@lru_cache(maxsize=1)
def _registry() -> Any:
    from pint import UnitRegistry  # 0.3 s, for answers that have two units

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
"""Kinds of the accepted value and of the stated one, where more than equality counts."""
