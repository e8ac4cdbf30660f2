"""What is reported of a scenario: its cells and bare models, each with figures and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.builds import GRADES, GradedLine, graded, read_lines
from harness.engines import described
from harness.errors import HarnessError
from harness.experiments.cells import Cell
from harness.experiments.scenario import Evidence, Fetch, Finding, Scenario
from harness.experiments.selection import knowledge_of
from harness.recipes import Grades, ServedBase, digest
from harness.report._comparison import Compared, comparisons
from harness.report._judging import Judging, judging
from harness.report._results import Result, bare_result, result
from harness.report.baselines import Baseline, BaselineCell, Comparison, Limits, compare
from harness.store import Manifest


@dataclass(frozen=True)
class Entry:
    """A result with the answers behind it."""

    result: Result
    grades: Grades
    folder: Path
    """That of the graded answers."""
    before: BaselineCell | None = None
    """What a baseline holds of the cell."""
    comparison: Comparison | None = None

    @property
    def cell(self) -> Cell:
        """Whose result it is, or whose bare model's."""
        return self.result.cell

    def lines(self) -> list[GradedLine]:
        """Every probe with its answers and verdicts.

        They are read anew each time: those of a full grid do not fit in memory together.
        """
        return [graded(line) for line in read_lines(self.folder / GRADES)]


class Missing(NamedTuple):
    """What could not be reported."""

    cell: str
    reason: str


class ScenarioReport(NamedTuple):
    """What one scenario found."""

    scenario: Scenario
    entries: Sequence[Entry]
    """The bare models on each set of probes first, then the cells."""
    settings: Sequence[tuple[str, str]]
    """What the figures depend on."""
    missing: Sequence[Missing] = ()
    findings: Sequence[Finding] = ()
    """What its cells show together."""
    baseline: str = ""
    """Name of the baseline that its entries are compared with."""
    judging: Judging | None = None
    """What the judge is worth and said; None where none was asked."""
    compared: Sequence[Compared] = ()
    """Its cells against the bare model and the best of them."""

    @property
    def results(self) -> list[Result]:
        """A row a cell for tables.

        A bare model that was asked several sets of probes has one row, on the last of them.
        """
        cells = [entry.result for entry in self.entries if not entry.result.bare]
        rows = {_model(each) for each in cells if not each.adapted}  # those have one as cells
        bare = {_model(each.result): each.result for each in self.entries if each.result.bare}
        return [*(each for key, each in bare.items() if key not in rows), *cells]

    @property
    def cautions(self) -> list[str]:
        """Lines that a reader of the figures must know: models that were not taught the tables."""
        bases = dict.fromkeys(entry.cell.subject.base for entry in self.entries)
        untaught = [base.name for base in bases if not knowledge_of(base).taught]
        if not untaught:
            return []
        return [
            f"replay and locality are about facts that {', '.join(untaught)} may not know:"
            " locality compares with the bare model, `known` is what it gets right"
        ]


class Figures(Protocol):
    """As ``result``, or what remembers its results."""

    def __call__(self, scenario: Scenario, cell: Cell, fetch: Fetch) -> Result: ...


def scenario_report(
    scenario: Scenario, cells: Iterable[Cell], grid: str, fetch: Fetch, figures: Figures = result
) -> ScenarioReport:
    """All that ``fetch`` gives of ``cells``.

    A cell whose artefacts it refuses is missing, and costs no other.
    """
    entries: list[Entry] = []
    missing: list[Missing] = []
    for cell in cells:
        with _listed(cell.id, missing):
            found = figures(scenario, cell, fetch)
            entries.append(Entry(found, cell.grades, fetch(cell.grades).path))
    whole = [entry.cell for entry in entries]
    bare = _bare(scenario, whole, fetch, missing)
    settings = [*_settings(whole, grid, fetch)] if whole else []
    trained = [Evidence(cell, fetch) for cell in whole if cell.subject.trains]
    findings: Sequence[Finding] = ()
    with _listed("what the cells show together", missing):
        findings = scenario.findings(trained) if trained else []
    report = ScenarioReport(
        scenario,
        [*bare, *entries],
        settings,
        list(dict.fromkeys(missing)),
        findings,
        judging=judging(whole, fetch) if whole else None,
    )
    return report._replace(compared=comparisons(report.results, scenario.headline))


def first_manifest(cell: Cell, fetch: Fetch) -> Manifest:
    """Of what was made first for ``cell``: it tells machine and versions."""
    trained = cell.subject.trained
    return fetch(trained[0] if trained else cell.grades.answers).manifest


def against(
    report: ScenarioReport,
    baseline: Baseline,
    limits: Limits,
    counts: Mapping[str, int] | None = None,
) -> ScenarioReport:
    """``report`` with each cell that ``baseline`` holds compared with it.

    ``counts`` names the cells to compare, and says as one of how many comparisons each counts;
    without it all that the baseline holds are compared.
    """
    held = [
        entry
        for entry in report.entries
        if not entry.result.bare and entry.cell.name in baseline.cells
    ]
    wanted = counts if counts is not None else {entry.cell.id: len(held) for entry in held}

    def compared(entry: Entry) -> Entry:
        if entry not in held or entry.cell.id not in wanted:
            return entry
        before = baseline.cells[entry.cell.name]
        comparison = compare(
            before,
            entry.lines(),
            entry.result.cost,
            cell=entry.cell.id,
            baseline=baseline.name,
            status=entry.result.status,
            cells=wanted[entry.cell.id],
            limits=limits,
        )
        return replace(entry, before=before, comparison=comparison)

    entries = [compared(entry) for entry in report.entries]
    return report._replace(entries=entries, baseline=baseline.name)


def _model(result: Result) -> tuple[object, object]:
    return result.cell.subject.base, result.cell.subject.engine


def _bare(
    scenario: Scenario, cells: Sequence[Cell], fetch: Fetch, missing: list[Missing]
) -> list[Entry]:
    """The models without adapters, on everything that their cells were asked."""
    by_grades = {digest(cell.bare_grades): cell for cell in cells}
    there = {digest(cell.grades) for cell in cells if not cell.subject.adapters}
    entries: list[Entry] = []
    for cell in (cell for name, cell in by_grades.items() if name not in there):
        with _listed(f"{cell.subject.name} (no adapter)", missing):
            figures = bare_result(scenario, cell, fetch)
            entries.append(Entry(figures, cell.bare_grades, fetch(cell.bare_grades).path))
    return entries


@contextmanager
def _listed(name: str, missing: list[Missing]) -> Iterator[None]:
    """What is refused within is missing, and costs nothing else."""
    try:
        yield
    except HarnessError as error:
        missing.append(Missing(name, str(error)))


def _settings(cells: Sequence[Cell], grid: str, fetch: Fetch) -> Iterator[tuple[str, str]]:
    """Machine and versions are from the first adapter's manifest.

    So writing the report again changes nothing.
    """
    manifest = first_manifest(cells[0], fetch)
    bases = [cell.subject.base for cell in cells]
    yield "model", _each(f"{base.name} ({base.content[:12]})" for base in bases)
    yield "engines", _each(cell.subject.engine.name for cell in cells)
    yield "grid, seeds", f"{grid}, {_each(sorted(cell.training.seed for cell in cells), ',')}"
    yield "probes", _each((len(cell.probes.probes) for cell in cells), " or ")
    if served := [base for base in bases if isinstance(base, ServedBase)]:
        yield "asked", _each(f"{base.path} on {base.asked}" for base in served)
    if external := [spec for cell in cells for spec in cell.subject.external]:
        yield "adapters", _each(f"{spec.name} ({spec.adapter.content[:12]})" for spec in external)
    by = {described(cell.questions.decoding): cell.label for cell in cells}
    labelled = (f"{label}: {text}" if len(by) > 1 else text for text, label in by.items())
    yield "decoding", "; ".join(labelled)
    yield "grading", _each(cell.grading.grader for cell in cells)
    yield "machine", manifest.machine
    yield from sorted(manifest.versions.items())


def _each(values: Iterable[object], between: str = ", ") -> str:
    return between.join(dict.fromkeys(map(str, values)))
