"""Markdown: tables, escaped text, and figures as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from harness.stats import Interval

MIB = 2**20
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in "\\`[]*_~|"}
)


def markdown_table(
    head: Sequence[str], rows: Iterable[Sequence[object]], form: str = "github"
) -> str:
    """A table in a format of tabulate; the cells stay as they are, also where they hold numbers."""
    return str(tabulate(rows, head, form, disable_numparse=True))


def escaped(text: str) -> str:
    """``text`` as one line that breaks no table; markup and line ends in it stay visible."""
    return " ⏎ ".join(text.strip().splitlines()).translate(_ESCAPES)


def words(name: str) -> str:
    """The name of a measure as headings show it."""
    return name.replace("_", " ")


def signed(difference: Interval, digits: int = 3) -> str:
    """A difference with its interval: ``+0.123 [-0.010, +0.240]``."""
    estimate, low, high = (f"{number:+.{digits}f}" for number in difference)
    return f"{estimate} [{low}, {high}]"
