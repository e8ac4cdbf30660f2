"""State of one pytest session: settings, store, models, and the cells that were asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.baselines import Baseline, load
from harness.builders import GRADES, build, read_lines
from harness.cells import Cell
from harness.engines import described, identify, refusal
from harness.launch import Job, Plan
from harness.models import SHIPPED, base_of
from harness.plugin._options import Settings, settings
from harness.recipes import Base, Recipe, ServedBase
from harness.report import Part, Result, bare_result, result
from harness.scenarios import scenario as scenario_called
from harness.selection import cells
from harness.store import Artefact, Manifest, Store


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
        self.skipped: dict[str, str] = {}
        """Scenarios of which a test was skipped, and why the last one was."""
        self.asked: set[str] = set()
        """Scenarios of which a test was not skipped."""
        self.compared: dict[tuple[str, str], int] = {}
        """(scenario, cell id) of every comparison with the baseline, and how many the session makes."""
        self._results: dict[tuple[str, str], Result] = {}
        self._baselines: dict[str, Baseline] = {}

    @cached_property
    def settings(self) -> Settings:
        return settings(self._config)

    @cached_property
    def store(self) -> Store:
        return Store(self.settings.store)

    @cached_property
    def bases(self) -> list[Base]:
        return [identify(model, self.settings.served_on) for model in self.settings.models]

    @cached_property
    def shipped(self) -> str | None:
        """Content of the shipped model, for which gates are declared."""
        return base_of(SHIPPED).content if SHIPPED.is_dir() else None

    def cells(self, scenario: str) -> list[Cell]:
        """All cells of ``scenario`` under the session's settings."""
        own = self.settings
        return cells(scenario, own.grid, self.bases, own.seeds, own.engines, own.decoding, own.adapters)

    def missing(self, cell: Cell) -> str:
        """Why ``cell`` cannot run here: the line that installs its engine, or what can do it; empty where it can."""
        if cell.given is None and not cell.engine.capabilities.trains:
            return f"nothing can be trained on {cell.base.path}: give adapters that are ready, as --adapter NAME=WHAT"
        refused = refusal(cell.decoding, cell.engine.capabilities.refuses, f"engine {cell.engine.name}")
        return self.settings.missing.get(cell.engine, "") or refused

    def fetch(self, recipe: Recipe) -> Artefact:
        return build(recipe, self.store, self.settings.device)

    def plan(self, cells: list[Cell]) -> Plan:
        jobs: list[Job] = [job for cell in cells for job in cell.jobs()]
        return Plan.of(jobs, self.store)

    def result(self, scenario: str, cell: Cell) -> Result:
        """Figures of ``cell`` of ``scenario``."""
        if (scenario, cell.id) not in self._results:
            self._results[scenario, cell.id] = result(scenario_called(scenario), cell, self.fetch)
        return self._results[scenario, cell.id]

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

    def cells_that_ran(self) -> dict[str, list[Cell]]:
        """By scenario, in the order of its grid."""
        names = dict.fromkeys(scenario for scenario, _ in self.ran)
        return {name: [cell for cell in self.cells(name) if (name, cell.id) in self.ran] for name in names}

    def report(self) -> list[Part]:
        """What the cells that ran found, scenario by scenario, the bare models first."""
        return [self._part(name, cells) for name, cells in self.cells_that_ran().items()]

    def _part(self, name: str, cells: list[Cell]) -> Part:
        own = scenario_called(name)
        bare = {(cell.base, cell.engine): cell for cell in cells}
        rows = {(cell.base, cell.engine) for cell in cells if not cell.adapted}  # they have a row as cells
        results = [bare_result(own, cell, self.fetch) for key, cell in bare.items() if key not in rows]
        results += [self.result(name, cell) for cell in cells]
        trained = [cell for cell in cells if cell.trained]
        findings = own.findings(trained, self.fetch) if trained else []
        return Part(own, results, self._how(cells), findings)

    def manifest(self, cell: Cell) -> Manifest:
        """Of what was made first for ``cell``: it tells machine and versions."""
        return self.fetch(cell.trained[0] if cell.trained else cell.grades.answers).manifest

    def _how(self, cells: list[Cell]) -> list[tuple[str, str]]:
        """What the figures depend on, from the first adapter's manifest, so that writing it again changes nothing."""
        first = cells[0]
        manifest = self.manifest(first)
        rows = [("model", ", ".join(f"{base.name} ({base.content[:12]})" for base in self.bases))]
        rows += [("engines", ", ".join(spec.name for spec in self.settings.engines))]
        rows += [("grid, seeds", f"{self.settings.grid}, {','.join(map(str, self.settings.seeds))}")]
        if served := [base for base in self.bases if isinstance(base, ServedBase)]:
            rows += [("asked", ", ".join(f"{base.path} on {base.asked}" for base in served))]
        if self.settings.adapters:
            rows += [("adapters", ", ".join(f"{a.name} ({a.content[:12]})" for a in self.settings.adapters))]
        by = {described(cell.decoding): cell.label for cell in cells}
        each = (f"{label}: {text}" if len(by) > 1 else text for text, label in by.items())
        rows += [("probes", str(len(first.probes.probes))), ("decoding", "; ".join(each))]
        rows += [("grading", first.grades.grader), ("machine", manifest.machine)]
        return [*rows, *sorted((name, version) for name, version in manifest.versions.items())]


KEY = pytest.StashKey[HarnessSession]()
