"""State of one pytest session: settings, store, models, cells, and what ran."""

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
    RayLauncher,
    build,
    cached,
    graded_lines,
    launch_here,
    lines,
    trusted,
)
from harness.engines import FORMS, EngineSpec, engine_specs, identify, refusal
from harness.experiments import selection
from harness.experiments.cells import Cell, Grading
from harness.experiments.ids import distinct_names
from harness.experiments.scenario import Fetch, Scenario
from harness.experiments.selection import KnowledgeOf, Selection
from harness.grading import FUZZY
from harness.grading.judge import calibration_of
from harness.plugin._knowledge import known_by
from harness.plugin._launch import launcher_of, launches_elsewhere
from harness.plugin._offered import scales, uninstalled
from harness.plugin._options import BASELINES, Settings, root_of, scenario_folder, settings
from harness.recipes import (
    DEQUANTISED,
    Adapter,
    Base,
    Calibration,
    GgufBase,
    Recipe,
    digest,
)
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
from harness.store import Artefact, Manifest, SharedStore, Store, open_store
from harness.training import OnStep, RunOptions


class HarnessSession:
    """Settings, models, cells and results of one pytest session.

    Everything is made when it is first used, so that a session of unit tests loads nothing.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.mistake = ""
        """What the user got wrong, in one line."""
        self.ran: dict[tuple[str, str], None] = {}
        """(scenario's key, cell's id) of every test that ran, in order."""
        self.selected: dict[str, tuple[str, str]] = {}
        """(scenario's key, cell's id) of every test that is to measure a cell, by the test's id.

        It is filled at the session's end.
        """
        self.skipped_tests: set[str] = set()
        """Ids of tests that were skipped."""
        self.stopped = ""
        """Why the session ended before its last test; empty where it did not."""
        self.skipped_scenarios: dict[str, str] = {}
        """Scenarios of which a test was skipped, with the reason of the last one."""
        self.measured_scenarios: set[str] = set()
        """Scenarios of which a test was not skipped."""
        self.compared: dict[tuple[str, str], int] = {}
        """(scenario's key, cell's id) of every comparison with the baseline.

        The value is the number of comparisons in the session, for which each is corrected.
        """
        self.collected: list[pytest.Item] = []
        """With ``--shard`` the tests of all shards: comparisons are corrected for all of them."""
        self.share = ""
        """What ``--shard`` selects, in one line; empty without it."""
        self._scenarios: dict[str, Scenario] = {}
        self._cells: dict[str, list[Cell]] = {}
        self._results: dict[tuple[str, str], Result] = {}
        self._baselines: dict[str, Baseline] = {}
        self._idle_gates: dict[Path, list[str]] = {}
        self._wrote = False

    @cached_property
    def settings(self) -> Settings:
        return settings(self._config)

    @cached_property
    def store(self) -> Store:
        store = open_store(self.settings.store, self.settings.store_cache)
        if isinstance(store, SharedStore) and self.builds_elsewhere:
            store.manifests_only = True  # of most adapters this process only reports the costs
        return store

    @cached_property
    def bases(self) -> list[Base]:
        """The models, under names that tell them apart. Raises ModelError."""
        return distinct_names(self._identified)

    @property
    def renamed_models(self) -> list[str]:
        """A line with name and path for each model that was renamed, as another has its name."""
        renamed = [base for base in self.bases if base not in self._identified]
        return [f"{base.name} is {base.path}" for base in renamed]

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
            self._scenarios[key] = selection.load(Path(key))
        return self._scenarios[key]

    def cells(self, key: str) -> list[Cell]:
        """All cells of a scenario under the session's settings."""
        if key not in self._cells:
            grading = Grading(self.settings.grader, self.calibration)
            cells = selection.cells(self.scenario(key), self._selection)
            self._cells[key] = [replace(cell, grading=grading) for cell in cells]
        return self._cells[key]

    @property
    def _selection(self) -> Selection:
        settings = self.settings
        return Selection(
            tuple(self.bases),
            settings.grid,
            settings.seeds,
            settings.engines,
            settings.decoding,
            settings.adapters,
            settings.format,
            settings.chat,
            self._knowledge,
            self._cached if self._builds_nothing else self._before_cells,
        )

    def _cached(self, recipe: Recipe) -> Artefact:
        return cached(recipe, self.store)

    def _before_cells(self, recipe: Recipe) -> Artefact:
        """What a model writes for a design, before there are cells and a plan."""
        if self.store.peek(recipe) is None and not self._wrote:
            self._say("writing text for the training, once: this takes minutes")
            self._wrote = True
        return self.fetch(recipe)

    @property
    def _builds_nothing(self) -> bool:
        return bool(self.settings.plan or self._config.option.collectonly)

    @cached_property
    def _knowledge(self) -> KnowledgeOf:
        fetch = None if self._builds_nothing else self.fetch
        return known_by(self.settings.bank, self._cached, fetch, self._say)

    def idle_gates(self, key: str, path: Path) -> list[str]:
        """Patterns of the gates in ``path`` that match no cell of any grid in any form.

        Such a gate checks nothing: most have a typo in the pattern. Where nothing can be trained
        there are none: gates of trained cells match no cell then. Raises DataError.
        """
        if path not in self._idle_gates and not path.exists():
            self._idle_gates[path] = []
        if path not in self._idle_gates:
            idle = without_cells(path, self._ids(key, self.settings.engines))
            if not any(base.trains for base in self.bases):
                idle = []
            if idle:
                # perhaps gates of other forms; those have many cells, so they are listed last
                every_id = self._ids(key, tuple(engine_specs(",".join(FORMS))))
                idle = [pattern for pattern in idle if pattern in without_cells(path, every_id)]
            # forms that answer with adapters trained on another are too many to list
            self._idle_gates[path] = [pattern for pattern in idle if "_from_" not in pattern]
        return self._idle_gates[path]

    def _ids(self, key: str, engines: tuple[EngineSpec, ...]) -> list[str]:
        """Ids of every cell of every grid on ``engines``."""
        scenario = self.scenario(key)
        # ids do not depend on what a model writes for a design
        chosen = replace(self._selection, engines=engines, fetch=self._cached)
        return [
            cell.id
            for grid in scenario.grids
            for cell in selection.cells(scenario, replace(chosen, grid=grid))
        ]

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration of the session's judge; None where no judge is asked."""
        return None if self.settings.grader == FUZZY else calibration_of(self.settings.judge)

    @cached_property
    def judge(self) -> str:
        """How good the judge is, in one line; empty without a judge.

        Raises ModelError on a judge that is too weak.
        """
        if self.calibration is None:
            return ""
        calibrated = Calibrated.of(self.fetch(self.calibration))
        name = self.calibration.judge.name
        if not self.settings.allow_weak_judge:
            trusted(name, calibrated, self.settings.judge_kappa)
        return summary(name, calibrated)

    def missing(self, cell: Cell) -> str:
        """Why ``cell`` cannot run here, and what to do; empty where it can run."""
        subject = cell.subject
        engine = subject.engine
        if subject.trains and not subject.base.trains:
            base = subject.base
            known = ", ".join(DEQUANTISED)
            # only GGUF files have an architecture here: a server does not tell its own
            architecture = base.architecture if isinstance(base, GgufBase) else ""
            reason = f" ({architecture}, not {known})" if architecture else ""
            return (
                f"nothing can be trained on {base.path}{reason}: give adapters that are ready, as"
                " --adapter [NAME=]WHAT[:SCALE]"
            )
        scaled = any(spec.scale != 1 for spec in subject.external)
        if scaled and not scales(subject.base, engine):
            return f"engine {engine.name} cannot scale adapters: leave :SCALE out"
        refuses = engine.capabilities.refuses
        refused = refusal(cell.questions.decoding, refuses, f"engine {engine.name}")
        return uninstalled(engine) or refused

    def fetch(self, recipe: Recipe, on_step: OnStep | None = None) -> Artefact:
        """The artefact of ``recipe``, built where it is not cached.

        Without ``on_step`` a long training shows its progress on stderr.
        """
        if self.launcher and not self.store.has(recipe):
            name = getattr(recipe, "name", type(recipe).__name__.lower())
            self.launch(Plan.of([Job(recipe, name)], self.store, self.settings.device))
        device = self.settings.device
        return build(recipe, self.store, device, on_step or self._lines, self._run_options)

    def launch(self, plan: Plan) -> None:
        """Build all of ``plan``, here or on the cluster. Raises HarnessError."""
        if self.launcher:
            self.launcher.launch(plan)
        else:
            launch_here(plan, self.fetch)

    @property
    def builds_elsewhere(self) -> bool:
        """Whether ``--launch`` names a cluster."""
        return launches_elsewhere(self._config)

    @cached_property
    def launcher(self) -> RayLauncher | None:
        """The cluster that builds, where ``--launch`` names one."""
        live = self._live if self.settings.live else None
        return launcher_of(self._config, self.store, self.settings.device, self._run_options, live)

    @cached_property
    def _run_options(self) -> RunOptions:
        settings = self.settings
        return RunOptions(
            settings.checkpoint_minutes,
            settings.gradient_checkpointing,
            self._live if settings.live else None,
        )

    def _live(self, recipe: Adapter) -> Path:
        """Where the event files of a training go: by scenario and the first cell that needs it."""
        folder = self.settings.live or Path()
        for key, cells in self._cells.items():
            for cell in cells:
                if recipe in cell.subject.loras:
                    return folder / self.scenario(key).name / cell.id
        return folder / f"{recipe.name}-{digest(recipe)[:12]}"

    @cached_property
    def _lines(self) -> OnStep:
        return lines(self._say)

    def _say(self, line: str) -> None:
        """Write to stderr past pytest's capture; a worker of xdist has no terminal to write to."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(line, file=sys.stderr, flush=True)

    def plan(self, cells: list[Cell]) -> Plan:
        jobs: list[Job] = [job for cell in cells for job in cell.jobs()]
        return Plan.of(jobs, self.store, self.settings.device)

    def result(self, key: str, cell: Cell) -> Result:
        """Figures of ``cell`` of a scenario."""
        # several tests of a cell read its figures
        if (key, cell.id) not in self._results:
            self.judge  # noqa: B018 - reading it stops on a judge that is too weak
            self._results[key, cell.id] = result(self.scenario(key), cell, self.fetch)
        return self._results[key, cell.id]

    def lines(self, cell: Cell) -> list[GradedLine]:
        """Every probe of ``cell`` with its answer and verdict."""
        return graded_lines(self.fetch(cell.grades))

    def baseline_path(self, key: str, name: str) -> Path:
        """Where the baseline ``name`` of a scenario is kept: by default in the scenario's folder.

        The folder of a shipped suite may be read-only, so its baselines go to the project.
        """
        pattern = self.settings.baselines
        if pattern == BASELINES and Path(key) not in _shipped():
            return Path(key) / "baselines" / f"{name}.json"
        folder = pattern.replace("{scenario}", self.scenario(key).name)
        return root_of(self._config) / Path(folder).expanduser() / f"{name}.json"

    def keeps_baseline(self, key: str) -> bool:
        """Whether the scenario has the baseline that ``--baseline`` names."""
        return self.baseline_path(key, self.settings.baseline).is_file()

    def baseline(self, key: str) -> Baseline:
        """The baseline that ``--baseline`` names. Raises DataError where it cannot be read."""
        if key not in self._baselines:
            path = self.baseline_path(key, self.settings.baseline)
            self._baselines[key] = load(path, self.scenario(key).name)
        return self._baselines[key]

    def unmeasured(self) -> list[str]:
        """Ids of the selected cells that were neither measured nor skipped."""
        expected = dict.fromkeys(
            cell for test, cell in self.selected.items() if test not in self.skipped_tests
        )
        return [cell for key, cell in expected if (key, cell) not in self.ran]

    def cells_that_ran(self) -> dict[str, list[Cell]]:
        """By the scenario's key, in the order of its grid."""
        keys = dict.fromkeys(key for key, _ in self.ran)
        return {
            key: [cell for cell in self.cells(key) if (key, cell.id) in self.ran] for key in keys
        }

    def report(self) -> list[ScenarioReport]:
        """The cells that ran with their figures, scenario by scenario."""
        return [self._scenario_report(key, cells) for key, cells in self.cells_that_ran().items()]

    def _scenario_report(self, key: str, cells: list[Cell]) -> ScenarioReport:
        def figures(scenario: Scenario, cell: Cell, fetch: Fetch) -> Result:
            return self.result(key, cell)

        settings = self.settings
        report = scenario_report(self.scenario(key), cells, settings.grid, self.fetch, figures)
        counts = {cell: count for (of, cell), count in self.compared.items() if of == key}
        return against(report, self.baseline(key), settings.limits, counts) if counts else report

    def manifest(self, cell: Cell) -> Manifest:
        """The manifest of the first artefact of ``cell``."""
        return first_manifest(cell, self.fetch)


KEY = pytest.StashKey[HarnessSession]()


def cell_of(item: pytest.Item) -> Cell | None:
    """The cell that a test is parametrised with; None where there is none."""
    spec = getattr(item, "callspec", None)
    cell = spec.params.get("cell") if spec else None
    return cell if isinstance(cell, Cell) else None


@cache
def _shipped() -> frozenset[Path]:
    """Folders of the shipped suites."""
    return frozenset(folder.resolve() for folder in selection.shipped().values())
