"""State of one pytest session: settings, store, models, and the cells that were asked for."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType

import pytest

from harness.builds import (
    Calibrated,
    GradedLine,
    Job,
    Plan,
    build,
    graded_lines,
    lines,
    trusted,
)
from harness.engines import FORMS, EngineSpec, engine_for, engine_specs, identify, refusal
from harness.errors import MissingExtraError
from harness.experiments import selection as loader
from harness.experiments.cells import Cell, Grading, distinct_names
from harness.experiments.scenario import Fetch, Scenario
from harness.experiments.selection import Selection, cells
from harness.grading import FUZZY
from harness.grading.judge import calibration_of
from harness.plugin._options import BASELINES, Settings, root_of, scenario_folder, settings
from harness.recipes import Base, Calibration, Recipe, ServedBase
from harness.report import (
    Result,
    ScenarioReport,
    against,
    first_manifest,
    result,
    scenario_report,
    summary,
)
from harness.report.baselines import Baseline, load
from harness.report.gates import without_cells
from harness.store import Artefact, Manifest, Store
from harness.training import OnStep


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
        """(scenario's key, cell id) of every test that ran, in order."""
        self.selected: dict[str, tuple[str, str]] = {}
        """The same of every test that was to measure a cell, by the test's id; known at the
        session's end."""
        self.left_out: set[str] = set()
        """Ids of tests that were skipped."""
        self.stopped = ""
        """Why the session ended before its last test; empty where it did not."""
        self.skipped: dict[str, str] = {}
        """Scenarios of which a test was skipped, and why the last one was."""
        self.asked: set[str] = set()
        """Scenarios of which a test was not skipped."""
        self.compared: dict[tuple[str, str], int] = {}
        """(scenario's key, cell id) of every comparison with the baseline, and how many the session
        makes."""
        self._scenarios: dict[str, Scenario] = {}
        self._cells: dict[str, list[Cell]] = {}
        self._results: dict[tuple[str, str], Result] = {}
        self._baselines: dict[str, Baseline] = {}
        self._idle_gates: dict[Path, list[str]] = {}

    @cached_property
    def settings(self) -> Settings:
        return settings(self._config)

    @cached_property
    def store(self) -> Store:
        return Store(self.settings.store)

    @cached_property
    def bases(self) -> list[Base]:
        """The models, under names that tell them apart. Raises ModelError."""
        return distinct_names(self._identified)

    @property
    def renamed_models(self) -> list[str]:
        """Which of the models is where, a line for each that another one has the name of."""
        return [
            f"{base.name} is {base.path}" for base in self.bases if base not in self._identified
        ]

    @cached_property
    def _identified(self) -> list[Base]:
        return [identify(model, self.settings.served_on) for model in self.settings.models]

    def key(self, module: ModuleType) -> str:
        """The folder of the scenario that a suite's ``SCENARIO`` names. Raises RecipeError."""
        file = Path(str(module.__file__))
        return str(scenario_folder(str(module.SCENARIO), file, root_of(self._config)))

    def scenario(self, key: str) -> Scenario:
        """Read once a session: its files may change later. Raises RecipeError or DataError."""
        if key not in self._scenarios:
            self._scenarios[key] = loader.load(Path(key))
        return self._scenarios[key]

    def cells(self, key: str) -> list[Cell]:
        """All cells of a scenario under the session's settings."""
        if key not in self._cells:
            grading = Grading(self.settings.grader, self.calibration)
            found = cells(self.scenario(key), self._selection)
            self._cells[key] = [replace(cell, grading=grading) for cell in found]
        return self._cells[key]

    @property
    def _selection(self) -> Selection:
        wanted = self.settings
        return Selection(
            tuple(self.bases),
            wanted.grid,
            wanted.seeds,
            wanted.engines,
            wanted.decoding,
            wanted.adapters,
        )

    def idle_gates(self, key: str, path: Path) -> list[str]:
        """Patterns of the gates in ``path`` that match no cell of any grid in any form.

        Such a gate holds nothing, mostly by a slip in its pattern. Raises DataError.
        """
        if path not in self._idle_gates:
            idle = without_cells(path, self._ids(key, self.settings.engines))
            if idle:  # a gate of another form, perhaps; there are many, so they are looked at last
                every_id = self._ids(key, tuple(engine_specs(",".join(FORMS))))
                idle = [pattern for pattern in idle if pattern in without_cells(path, every_id)]
            # forms that answer with adapters of another are too many to list
            self._idle_gates[path] = [pattern for pattern in idle if "_from_" not in pattern]
        return self._idle_gates[path]

    def _ids(self, key: str, engines: tuple[EngineSpec, ...]) -> list[str]:
        """Of every cell of every grid on ``engines``."""
        scenario = self.scenario(key)
        return [
            cell.id
            for grid in scenario.grids
            for cell in cells(scenario, replace(self._selection, grid=grid, engines=engines))
        ]

    @cached_property
    def calibration(self) -> Calibration | None:
        """Of the session's judge; None where no judge is asked."""
        return None if self.settings.grader == FUZZY else calibration_of(self.settings.judge)

    @cached_property
    def judge(self) -> str:
        """What the judge is worth, in one line; empty where none is asked. Raises ModelError on a
        weak one."""
        if self.calibration is None:
            return ""
        found, name = Calibrated.of(self.fetch(self.calibration)), self.calibration.judge.name
        if not self.settings.allow_weak_judge:
            trusted(name, found, self.settings.judge_kappa)
        return summary(name, found)

    def missing(self, cell: Cell) -> str:
        """Why ``cell`` cannot run here: the line that installs its engine, or what can do it; empty
        where it can."""
        subject = cell.subject
        if subject.trains and not subject.engine.capabilities.trains:
            return (
                f"nothing can be trained on {subject.base.path}: give adapters that are ready, as"
                " --adapter [NAME=]WHAT[:SCALE]"
            )
        if any(spec.scale != 1 for spec in subject.external) and not _scales(
            subject.base, subject.engine
        ):
            return f"engine {subject.engine.name} cannot scale adapters: leave :SCALE out"
        refused = refusal(
            cell.questions.decoding,
            subject.engine.capabilities.refuses,
            f"engine {subject.engine.name}",
        )
        return _uninstalled(subject.engine) or refused

    def fetch(self, recipe: Recipe, on_step: OnStep | None = None) -> Artefact:
        """Without ``on_step`` a long training says on stderr how far it is."""
        return build(recipe, self.store, self.settings.device, on_step or self._lines)

    @cached_property
    def _lines(self) -> OnStep:
        return lines(self._say)

    def _say(self, line: str) -> None:
        """Past pytest's capture: a worker of xdist shares the controller's stderr, and has no
        terminal."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(line, file=sys.stderr, flush=True)

    def plan(self, cells: list[Cell]) -> Plan:
        jobs: list[Job] = [job for cell in cells for job in cell.jobs()]
        return Plan.of(jobs, self.store)

    def result(self, key: str, cell: Cell) -> Result:
        """Figures of ``cell`` of a scenario."""
        if (key, cell.id) not in self._results:
            self.judge  # noqa: B018 - read: a judge that is not to be trusted stops here
            self._results[key, cell.id] = result(self.scenario(key), cell, self.fetch)
        return self._results[key, cell.id]

    def lines(self, cell: Cell) -> list[GradedLine]:
        """Every probe of ``cell`` with its answer and verdict."""
        return graded_lines(self.fetch(cell.grades))

    def baseline_path(self, key: str, name: str) -> Path:
        """Where the baseline ``name`` of a scenario is kept: by default in the scenario's folder.

        That of a suite that comes along may be read-only, so the project holds its baselines.
        """
        pattern = self.settings.baselines
        if pattern == BASELINES and Path(key) not in _shipped():
            return Path(key) / "baselines" / f"{name}.json"
        kept = pattern.replace("{scenario}", self.scenario(key).name)
        return root_of(self._config) / Path(kept).expanduser() / f"{name}.json"

    def keeps_baseline(self, key: str) -> bool:
        """Whether what ``--baseline`` names is there for a scenario."""
        return self.baseline_path(key, self.settings.baseline).is_file()

    def baseline(self, key: str) -> Baseline:
        """What ``--baseline`` names. Raises DataError where it is unknown or damaged."""
        if key not in self._baselines:
            path = self.baseline_path(key, self.settings.baseline)
            self._baselines[key] = load(path, self.scenario(key).name)
        return self._baselines[key]

    def lost(self) -> list[str]:
        """Ids of the selected cells of which nothing was measured, though nobody skipped them."""
        due = dict.fromkeys(
            cell for test, cell in self.selected.items() if test not in self.left_out
        )
        return [cell for key, cell in due if (key, cell) not in self.ran]

    def cells_that_ran(self) -> dict[str, list[Cell]]:
        """By the scenario's key, in the order of its grid."""
        keys = dict.fromkeys(key for key, _ in self.ran)
        return {
            key: [cell for cell in self.cells(key) if (key, cell.id) in self.ran] for key in keys
        }

    def report(self) -> list[ScenarioReport]:
        """What the cells that ran found, scenario by scenario."""
        return [self._part(key, cells) for key, cells in self.cells_that_ran().items()]

    def _part(self, key: str, cells: list[Cell]) -> ScenarioReport:
        def figures(scenario: Scenario, cell: Cell, fetch: Fetch) -> Result:
            return self.result(key, cell)

        found = scenario_report(self.scenario(key), cells, self.settings.grid, self.fetch, figures)
        counts = {cell: count for (own, cell), count in self.compared.items() if own == key}
        return against(found, self.baseline(key), self.settings.limits, counts) if counts else found

    def manifest(self, cell: Cell) -> Manifest:
        """Of what was made first for ``cell``."""
        return first_manifest(cell, self.fetch)


@cache
def _shipped() -> frozenset[Path]:
    """Folders of the suites that come along."""
    return frozenset(folder.resolve() for folder in loader.shipped().values())


@cache
def _scales(base: Base, engine: EngineSpec) -> bool:
    """Whether adapters can be scaled: of the servers only llama-server can, so it is asked."""
    if isinstance(base, ServedBase):
        return engine_for(base.path).capabilities.scales
    return engine.capabilities.scales


@cache
def _uninstalled(engine: EngineSpec) -> str:
    """The line that installs ``engine``; empty where it is there."""
    try:
        engine.require()
    except MissingExtraError as error:
        return str(error)
    return ""


KEY = pytest.StashKey[HarnessSession]()
