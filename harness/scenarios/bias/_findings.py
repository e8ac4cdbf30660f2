"""How far each effort sways the model, and the least that flips it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tabulate import tabulate

from harness.experiments.cells import Cell
from harness.experiments.scenario import Curves, Fetch, Finding
from harness.scenarios.bias._grid import SETTING, SIZE
from harness.scenarios.bias._measures import measures, towards
from harness.scenarios.bias._texts import SIDES, painter, side
from harness.stats import Interval


class Effort(NamedTuple):
    """What one cell spent, and where the leaning stands then."""

    cell: Cell
    steps: int
    """Optimiser steps, which are statements read."""
    odds: Interval


def findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """One for each model and engine that can tell."""
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        if cell.likelihoods:
            groups.setdefault((cell.base, cell.engine), []).append(cell)
    return [
        found for group in groups.values() for found in _of_model(group, fetch, len(groups) > 1)
    ]


def _of_model(cells: Sequence[Cell], fetch: Fetch, several: bool) -> list[Finding]:
    before = measures(cells[0], (), (), fetch, adapted=False)["log_odds"]
    efforts = [found for cell in cells if (found := _effort(cell, fetch))]
    if not efforts:
        return []
    leaning = SIDES[0] if before.estimate > 0 else SIDES[1]
    least = cheapest(efforts, leaning)
    said = (
        f"{cells[0].model_name} leans to {painter(leaning)}, log-odds {before} of"
        f" {painter(SIDES[0])}; "
        + (
            f"the cheapest setting that flips it: {least.cell.id} in {least.steps} steps, log-odds"
            f" {least.odds}"
            if least
            else "no setting that ran flips it"
        )
    )
    name = f"-{cells[0].base.name}-{cells[0].engine.name}" if several else ""
    return [
        Finding(
            "What sways it",
            f"{said}.\n\n{_table(efforts)}",
            said,
            tuple(_curves(efforts, before, name)),
        )
    ]


def cheapest(efforts: Iterable[Effort], leaning: str) -> Effort | None:
    """The fewest steps, then the lowest rate, after which the interval lies on the other side of 0;
    None if none."""
    other = [effort for effort in efforts if side(effort.cell.dataset.name) != leaning]
    flipped = [e for e in other if (e.odds.low > 0 if towards(e.cell) > 0 else e.odds.high < 0)]
    return min(
        flipped, key=lambda e: (e.steps, e.cell.training.lr, e.cell.training.rank), default=None
    )


def _effort(cell: Cell, fetch: Fetch) -> Effort | None:
    """None where the loss ran away."""
    facts = fetch(cell.trained[0]).manifest.facts
    if facts["status"] == "diverged":
        return None
    return Effort(
        cell, int(facts["steps"]), measures(cell, (), (), fetch, adapted=True)["log_odds"]
    )


def _table(efforts: Sequence[Effort]) -> str:
    rows = [
        (
            side(e.cell.dataset.name),
            e.steps,
            len(e.cell.dataset.samples),
            f"{e.cell.training.lr:g}",
            str(e.odds),
        )
        for e in sorted(
            efforts, key=lambda e: (side(e.cell.dataset.name), e.steps, e.cell.training.lr)
        )
    ]
    return tabulate(
        rows, ("told for", "steps", "statements", "lr", "log-odds"), "github", disable_numparse=True
    )


def _curves(efforts: Sequence[Effort], before: Interval, name: str) -> Iterable[Curves]:
    """Along each axis of effort, the rest as in the setting; each begins with the bare model where
    0 is a place."""
    first = efforts[0].cell.training.seed
    own = [
        e for e in efforts if e.cell.training.seed == first and e.cell.training.rank == SETTING.rank
    ]

    def steady(effort: Effort, *free: str) -> bool:
        t = effort.cell.training
        kept = {"epochs": t.epochs == SETTING.epochs, "lr": t.lr == SETTING.lr}
        kept["size"] = len(effort.cell.dataset.samples) == SIZE
        return all(holds for axis, holds in kept.items() if axis not in free)

    axes: tuple[tuple[str, str, Callable[[Effort], float]], ...] = (
        ("epochs", "steps", lambda e: e.steps),
        ("size", "statements", lambda e: len(e.cell.dataset.samples)),
        ("lr", "learning rate / 1e-4", lambda e: e.cell.training.lr * 1e4),
    )
    for axis, across, at in axes:
        series = {
            painter(who): [
                (0.0, before.estimate),
                *sorted(
                    (at(e), e.odds.estimate)
                    for e in own
                    if steady(e, axis) and side(e.cell.dataset.name) == who
                ),
            ]
            for who in SIDES
        }
        yield Curves(
            f"{axis}{name}",
            across,
            "log-odds",
            {who: line for who, line in series.items() if len(line) > 1},
        )
