"""What a suite is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from harness.experiments.cells import Cell
from harness.recipes import Base, Recipe
from harness.stats import Interval
from harness.store import Artefact

Fetch = Callable[[Recipe], Artefact]
"""Gives an artefact, built or from the cache."""

Line = Mapping[str, Any]
"""One probe with its answer and verdict, as ``grades.jsonl`` has it."""


class Cells(Protocol):
    """Makes the cells of a grid. Raises RecipeError on a grid that the scenario does not have."""

    def __call__(self, grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]: ...


class Measures(Protocol):
    """Figures beside recall and locality, by name.

    ``lines`` are the verdicts on the adapted model, ``bare`` those on the base, probe by probe;
    ``cell`` and ``fetch`` give whatever else the cell was made from. A measure on the bare model
    gets its lines twice, and ``adapted`` False.
    """

    def __call__(
        self, cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
    ) -> dict[str, Interval]: ...


def no_measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """None beside recall and locality."""
    return {}


class Curves(NamedTuple):
    """Lines to be drawn: points (across, up) by the name of their line."""

    name: str
    """Of the plot's file, after the scenario's."""
    across: str
    up: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    doubling: bool = False
    """Whether ``across`` doubles from mark to mark, as ranks do."""


class Finding(NamedTuple):
    """What comes out of several cells together."""

    title: str
    text: str
    """Markdown."""
    said: str = ""
    """A line for the terminal."""
    curves: tuple[Curves, ...] = ()


class Findings(Protocol):
    """What the cells that ran say together; nothing where they are too few to say it."""

    def __call__(self, cells: Sequence[Cell], fetch: Fetch) -> list[Finding]: ...


def no_findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """Each cell speaks for itself."""
    return []


class Scenario(NamedTuple):
    """One question about memory: what is trained, what is asked, and what is made of
    the answers."""

    name: str
    """That of its folder below ``suites``."""
    title: str
    """Of its part of the report."""
    cells: Cells
    headline: str = "rephrased"
    """The kind of recall or measure that plots show, and by which facts are listed."""
    measures: Measures = no_measures
    findings: Findings = no_findings
    compares_decodings: bool = False
    """Whether its cells differ by how they answer, so that a user's ``--decoding`` leaves them
    alone."""
    engines: str = ""
    """Those on which its cells answer unless the user names some; a cell whose engine is not
    installed is skipped."""
    drift: bool = False
    """Whether cells also answer neutral prompts and read held-out text, for ``drift`` and its
    ratios."""
