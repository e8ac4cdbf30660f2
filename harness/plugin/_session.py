"""State of one pytest session: settings, store, models, and the cells that were asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.baselines import Baseline, load
from harness.builders import GRADES, build, read_lines
from harness.cells import Cell
from harness.launch import Job, Plan
from harness.models import SHIPPED, base_of
from harness.plugin._options import Settings, settings
from harness.recipes import Base, Recipe
from harness.report import Result, bare_result, result
from harness.selection import cells
from harness.store import Artefact, Store


def cell_of(item: pytest.Item) -> Cell | None:
    """The cell that a test is parametrised with."""
    spec = getattr(item, "callspec", None)
    found = spec.params.get("cell") if spec else None
    return found if isinstance(found, Cell) else None


class HarnessSession:
    """Everything is made when it is first asked for: a session of unit tests loads nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.mistake = ""
        """What the user got wrong, in one line."""
        self.ran: dict[tuple[str, str], None] = {}
        """(scenario, cell id) of every test that ran, in order."""
        self.compared: dict[tuple[str, str], int] = {}
        """(scenario, cell id) of every comparison with the baseline, and how many the session makes."""
        self._results: dict[str, Result] = {}
        self._baselines: dict[str, Baseline] = {}

    @cached_property
    def settings(self) -> Settings:
        return settings(self._config)

    @cached_property
    def store(self) -> Store:
        return Store(self.settings.store)

    @cached_property
    def bases(self) -> list[Base]:
        return [base_of(model) for model in self.settings.models]

    @cached_property
    def shipped(self) -> str | None:
        """Content of the shipped model, for which gates are declared."""
        return base_of(SHIPPED).content if SHIPPED.is_dir() else None

    def cells(self, scenario: str) -> list[Cell]:
        """All cells of ``scenario`` under the session's settings."""
        own = self.settings
        return cells(scenario, own.grid, self.bases, own.seeds, own.engines)

    def missing(self, cell: Cell) -> str:
        """Why ``cell`` cannot run here: the line that installs its engine; empty where it can."""
        return self.settings.missing.get(cell.engine, "")

    def fetch(self, recipe: Recipe) -> Artefact:
        return build(recipe, self.store, self.settings.device)

    def plan(self, cells: list[Cell]) -> Plan:
        jobs: list[Job] = [job for cell in cells for job in cell.jobs()]
        return Plan.of(jobs, self.store)

    def result(self, cell: Cell) -> Result:
        if cell.id not in self._results:
            self._results[cell.id] = result(cell, self.fetch)
        return self._results[cell.id]

    def lines(self, cell: Cell) -> list[dict[str, Any]]:
        """Every probe of ``cell`` with its answer and verdict."""
        return read_lines(self.fetch(cell.grades).path / GRADES)

    def baseline_path(self, scenario: str, name: str) -> Path:
        """Where the baseline ``name`` of ``scenario`` is kept."""
        folder = self.settings.baselines.replace("{scenario}", scenario)
        return self._config.rootpath / Path(folder).expanduser() / f"{name}.json"

    def baseline(self, scenario: str) -> Baseline:
        """What ``--baseline`` names. Raises DataError where it is unknown or damaged."""
        if scenario not in self._baselines:
            self._baselines[scenario] = load(self.baseline_path(scenario, self.settings.baseline), scenario)
        return self._baselines[scenario]

    def report(self) -> list[Result]:
        """Results of the cells that ran, the bare models first."""
        known = {name: {cell.id: cell for cell in self.cells(name)} for name in {s for s, _ in self.ran}}
        cells = sorted((known[s][i] for s, i in self.ran), key=lambda c: list(known[next(iter(known))]).index(c.id))
        bare = {(cell.base, cell.engine): cell for cell in cells}
        return [*(bare_result(cell, self.fetch) for cell in bare.values()), *map(self.result, cells)]


KEY = pytest.StashKey[HarnessSession]()
