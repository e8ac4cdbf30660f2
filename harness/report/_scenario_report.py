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
from harness.experiments.findings import Finding
from harness.experiments.scenario import Evidence, Fetch, Scenario
from harness.recipes import Grades, ServedBase, digest
from harness.report._judging import Judging, judging
from harness.report._paired import Compared, comparisons
from harness.report._results import OK, Result, bare_result, result
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
        """The cell of the result; for a bare model, a cell that it is compared with."""
        return self.result.cell

    def lines(self) -> list[GradedLine]:
        """Every probe with its answers and verdicts.

        Each call reads them again: those of a full grid do not fit in memory together.
        """
        return [graded(line) for line in read_lines(self.folder / GRADES)]


class Missing(NamedTuple):
    """What could not be reported."""

    cell: str
    reason: str


class ScenarioReport(NamedTuple):
    """What one scenario showed."""

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
    """The quality of the judge, and its verdicts; None where none was asked."""
    compared: Sequence[Compared] = ()
    """Its cells against the bare model and the best of them."""

    @property
    def results(self) -> list[Result]:
        """One row for each cell, for tables.

        A bare model that was asked several sets of probes has one row, on the last of them.
        """
        cells = [entry.result for entry in self.entries if not entry.result.bare]
        bare = {_model(entry.result): entry.result for entry in self.entries if entry.result.bare}
        for cell in cells:
            if not cell.adapted:  # a cell without adapters is the row of its bare model
                bare.pop(_model(cell), None)
        return [*bare.values(), *cells]

    @property
    def cautions(self) -> list[str]:
        """Lines that a reader of the figures must know.

        What plots lack, and what models know of what they are asked.
        """
        return [*self._without_headline(), *self._knowledge()]

    def _without_headline(self) -> Iterator[str]:
        headline = self.scenario.headline
        trained = [each for each in self.results if each.status == OK and each.cell.subject.trains]
        if trained and not any(headline in each.shares() for each in trained):
            known = ", ".join(trained[0].shares())
            yield f"headline {headline!r} is no figure, so nothing is drawn: choose of {known}"

    def _knowledge(self) -> list[str]:
        """What is known of each model's knowledge, which recall and locality stand on."""
        return list(dict.fromkeys(filter(None, (each.cell.note for each in self.entries))))


class Figures(Protocol):
    """As ``result``, or a function that remembers its results."""

    def __call__(self, scenario: Scenario, cell: Cell, fetch: Fetch) -> Result: ...


def scenario_report(
    scenario: Scenario, cells: Iterable[Cell], grid: str, fetch: Fetch, figures: Figures = result
) -> ScenarioReport:
    """The report on those of ``cells`` whose artefacts ``fetch`` gives.

    A cell whose artefacts it refuses is listed as missing; the others are reported all the same.
    """
    entries: list[Entry] = []
    missing: list[Missing] = []
    for cell in cells:
        with _listed(cell.id, missing):
            measured = figures(scenario, cell, fetch)
            entries.append(Entry(measured, cell.grades, fetch(cell.grades).path))
    complete = [entry.cell for entry in entries]
    bare = _bare_entries(scenario, complete, fetch, missing)
    settings = [*_settings(complete, grid, fetch)] if complete else []
    trained = [Evidence(cell, fetch) for cell in complete if cell.subject.trains or cell.policy]
    findings: Sequence[Finding] = ()
    with _listed("what the cells show together", missing):
        findings = scenario.found(trained) if trained else []
    report = ScenarioReport(
        scenario,
        [*bare, *entries],
        settings,
        list(dict.fromkeys(missing)),
        findings,
        judging=judging(complete, fetch) if complete else None,
    )
    return report._replace(compared=comparisons(report.results, scenario.headline))


def first_manifest(cell: Cell, fetch: Fetch) -> Manifest:
    """The manifest of what was built first for ``cell``, with machine and versions."""
    trained = cell.subject.trained
    return fetch(trained[0] if trained else cell.grades.answers).manifest


def against(
    report: ScenarioReport,
    baseline: Baseline,
    limits: Limits,
    counts: Mapping[str, int] | None = None,
) -> ScenarioReport:
    """``report`` with its cells compared with ``baseline``.

    Args:
        report: left as it is.
        baseline: cells that it does not hold are not compared.
        limits: how much worse is still good enough.
        counts: the ids of the cells to compare, and as one of how many comparisons each counts.
            Without it all cells that the baseline holds are compared.
    """
    comparable = {
        entry.cell.id
        for entry in report.entries
        if not entry.result.bare and entry.cell.name in baseline.cells
    }
    wanted = counts if counts is not None else dict.fromkeys(comparable, len(comparable))

    def compared(entry: Entry) -> Entry:
        cell = entry.cell
        if entry.result.bare or cell.id not in comparable or cell.id not in wanted:
            return entry
        before = baseline.cells[cell.name]
        comparison = compare(
            before,
            entry.lines(),
            entry.result.cost,
            cell=cell.id,
            baseline=baseline.name,
            status=entry.result.status,
            cells=wanted[cell.id],
            limits=limits,
        )
        return replace(entry, before=before, comparison=comparison)

    entries = [compared(entry) for entry in report.entries]
    return report._replace(entries=entries, baseline=baseline.name)


def _model(result: Result) -> tuple[object, object]:
    return result.cell.subject.base, result.cell.subject.engine


def _bare_entries(
    scenario: Scenario, cells: Sequence[Cell], fetch: Fetch, missing: list[Missing]
) -> list[Entry]:
    """The models without adapters, on everything that their cells were asked."""
    by_grades = {digest(cell.bare_grades): cell for cell in cells}
    # A cell without adapters is an entry already.
    present = {digest(cell.grades) for cell in cells if not cell.adapted}
    entries: list[Entry] = []
    for cell in (cell for name, cell in by_grades.items() if name not in present):
        with _listed(f"{cell.subject.name} (no adapter)", missing):
            measured = bare_result(scenario, cell, fetch)
            entries.append(Entry(measured, cell.bare_grades, fetch(cell.bare_grades).path))
    return entries


@contextmanager
def _listed(name: str, missing: list[Missing]) -> Iterator[None]:
    """An error of the harness is listed in ``missing`` under ``name``, and ends here."""
    try:
        yield
    except HarnessError as error:
        missing.append(Missing(name, str(error)))


def _settings(cells: Sequence[Cell], grid: str, fetch: Fetch) -> Iterator[tuple[str, str]]:
    """Machine and versions are from the manifest of the first adapter.

    So the report stays the same when it is written again on another machine.
    """
    manifest = first_manifest(cells[0], fetch)
    bases = [cell.subject.base for cell in cells]
    yield "model", _distinct(f"{base.name} ({base.content[:12]})" for base in bases)
    yield "engines", _distinct(cell.subject.engine.name for cell in cells)
    yield "grid, seeds", f"{grid}, {_distinct(sorted(cell.training.seed for cell in cells), ',')}"
    yield "probes", _distinct((len(cell.probes.probes) for cell in cells), " or ")
    if served := [base for base in bases if isinstance(base, ServedBase)]:
        yield "asked", _distinct(f"{base.path} on {base.asked}" for base in served)
    if external := [spec for cell in cells for spec in cell.subject.external]:
        names = (f"{spec.name} ({spec.adapter.content[:12]})" for spec in external)
        yield "adapters", _distinct(names)
    labels = {described(cell.questions.decoding): cell.label for cell in cells}
    decodings = (f"{label}: {text}" if len(labels) > 1 else text for text, label in labels.items())
    yield "decoding", "; ".join(decodings)
    yield "grading", _distinct(cell.grading.grader for cell in cells)
    yield "machine", manifest.machine
    yield from sorted(manifest.versions.items())


def _distinct(values: Iterable[object], between: str = ", ") -> str:
    return between.join(dict.fromkeys(map(str, values)))
