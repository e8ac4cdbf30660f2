"""What several cells show together, and its plots."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import RecipeError


class Curves(NamedTuple):
    """Lines to be drawn: points (x, y) by the name of their line."""

    name: str
    """The end of the plot's file name, after the scenario's name."""
    x: str
    """Label of the x axis."""
    y: str
    """Label of the y axis."""
    series: Mapping[str, Sequence[tuple[float, float]]]
    doubling: bool = False
    """Whether x doubles from mark to mark, as ranks do."""


class Finding(NamedTuple):
    """What several cells show together."""

    title: str
    text: str
    """Markdown."""
    summary: str = ""
    """A line for the terminal."""
    curves: tuple[Curves, ...] = ()


def check_finding(what: str, found: object) -> None:
    """Raises RecipeError where ``found`` cannot be shown."""
    if not isinstance(found, Finding):
        raise RecipeError(f"{what}: returned {found!r} in its list: return Finding(title, text)")
    if not all(isinstance(text, str) for text in (found.title, found.text, found.summary)):
        raise RecipeError(f"{what}: title, text and summary of {found.title!r} must be texts")
    for curves in found.curves:
        if not isinstance(curves, Curves) or not re.fullmatch(r"[\w-]+", str(curves.name)):
            raise RecipeError(f"{what}: {curves!r}: give Curves, named in letters, digits, _ and -")
        for name, points in curves.series.items():
            if not all(isinstance(point, Sequence) and len(point) == 2 for point in points):
                raise RecipeError(f"{what}: the points of {name!r} must be pairs (x, y)")
