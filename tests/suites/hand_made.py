"""Evidence that is written by hand, for tests of measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.builds import GradedLine
from harness.data.knowledge import TableKnowledge
from harness.experiments import Cell, Evidence, Scenario, Setup
from harness.experiments.selection import Selection, cells
from harness.recipes import Base, Recipe
from harness.store import Artefact

BASE = Base("0", "pocket", "/m")
SETUP = Setup(BASE, 0, TableKnowledge())


def line(kind: str, fact: str, answer: str, right: bool, **fields: object) -> GradedLine:
    """A graded line with one answer."""
    values: dict[str, Any] = {"id": f"{kind}/{fact}", "prompt": "", "accepted": ()} | fields
    return GradedLine(
        kind=kind,
        fact=fact,
        answers=(answer,),
        verdicts=(right,),
        right=right,
        scores=(100.0 * right,),
        read_as=("text",),
        **values,
    )


def evidence(
    cell: Cell, lines: Sequence[GradedLine], bare: Sequence[GradedLine], adapted: bool = True
) -> Evidence:
    """Evidence of ``cell`` with these lines; nothing else can be fetched."""
    made = Evidence(cell, no_fetch, adapted)
    made.lines, made.bare_lines = list(lines), list(bare)
    return made


def cells_of(
    scenario: Scenario, grid: str = "default", seeds: tuple[int, ...] = (0,)
) -> list[Cell]:
    """The cells of ``grid`` on a model that is not there."""
    return cells(scenario, Selection((BASE,), grid, seeds))


def no_fetch(recipe: Recipe) -> Artefact:
    raise AssertionError(f"a hand-made cell has no {recipe}")
