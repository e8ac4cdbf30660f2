"""What is reported of a scenario: its cells and bare models, each with its figures and every
answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.builds import GRADES, read_lines
from harness.engines import described
from harness.errors import HarnessError
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Finding, Line, Scenario
from harness.recipes import Grades, ServedBase, digest
from harness.report._comparison import Compared, comparisons
from harness.report._judging import Judging, judging
from harness.report._results import Result, bare_result, result
from harness.report.baselines import Baseline, BaselineCell, Comparison, Limits, compare
from harness.store import Manifest


@dataclass(frozen=True)
class Entry:
    """A cell, or the bare model on the probes of ``cell``."""

    cell: Cell
    result: Result
    grades: Grades
    folder: Path
    """That of the graded answers."""
    bare: bool = False
    """Whether it is here for what the bare model answers, and is no cell of its own."""
    before: BaselineCell | None = None
    """What a baseline holds of the cell."""
    comparison: Comparison | None = None

    def lines(self) -> list[Line]:
        """Every probe with its answers and verdicts, read anew: a full grid's do not fit in memory
        together."""
        return [*read_lines(self.folder / GRADES)]


class Missing(NamedTuple):
    """What could not be reported."""

    cell: str
    reason: str


class ScenarioReport(NamedTuple):
    """What one scenario found."""

    scenario: Scenario
    entries: Sequence[Entry]
    """The bare models on each set of probes first, then the cells."""
    how: Sequence[tuple[str, str]]
    """What the figures depend on."""
    missing: Sequence[Missing] = ()
    findings: Sequence[Finding] = ()
    """What its cells say together."""
    baseline: str = ""
    """Name of the baseline that its entries are compared with."""
    judging: Judging | None = None
    """What the judge is worth and said; None where none was asked."""
    compared: Sequence[Compared] = ()
    """Its cells against the bare model and the best of them."""

    @property
    def results(self) -> list[Result]:
        """A row a cell for tables; a bare model that was asked several sets of probes has one row,
        on the last."""
        cells = [entry for entry in self.entries if not entry.bare]
        rows = {
            (e.cell.base, e.cell.engine) for e in cells if not e.result.adapted
        }  # those have one as cells
        bare = {(e.cell.base, e.cell.engine): e.result for e in self.entries if e.bare}
        return [
            *(found for key, found in bare.items() if key not in rows),
            *(entry.result for entry in cells),
        ]


class Figures(Protocol):
    """As ``result``, or what remembers its results."""

    def __call__(self, scenario: Scenario, cell: Cell, fetch: Fetch) -> Result: ...


def part(
    scenario: Scenario, cells: Iterable[Cell], grid: str, fetch: Fetch, figures: Figures = result
) -> ScenarioReport:
    """All that ``fetch`` gives of ``cells``; a cell whose artefacts it refuses is missing, and
    costs no other."""
    found: list[Entry] = []
    missing: list[Missing] = []
    for cell in cells:
        with _listed(cell.id, missing):
            found.append(
                Entry(cell, figures(scenario, cell, fetch), cell.grades, fetch(cell.grades).path)
            )
    whole = [entry.cell for entry in found]
    bare = _bare(scenario, whole, fetch, missing)
    how = [*_how(whole, grid, fetch)] if whole else []
    trained = [cell for cell in whole if cell.trained]
    findings: Sequence[Finding] = ()
    with _listed("what the cells say together", missing):
        findings = scenario.findings(trained, fetch) if trained else []
    judged = judging(whole, fetch) if whole else None
    own = ScenarioReport(
        scenario, [*bare, *found], how, list(dict.fromkeys(missing)), findings, judging=judged
    )
    return own._replace(compared=comparisons(own.results, scenario.headline))


def first_manifest(cell: Cell, fetch: Fetch) -> Manifest:
    """Of what was made first for ``cell``: it tells machine and versions."""
    return fetch(cell.trained[0] if cell.trained else cell.grades.answers).manifest


def _bare(
    scenario: Scenario, cells: Sequence[Cell], fetch: Fetch, missing: list[Missing]
) -> list[Entry]:
    """The models without adapters, on everything that their cells were asked."""
    asked = {digest(cell.base_grades): cell for cell in cells}
    there = {digest(cell.grades) for cell in cells if not cell.adapted}
    found: list[Entry] = []
    for cell in (cell for name, cell in asked.items() if name not in there):
        with _listed(f"{cell.model_name} (no adapter)", missing):
            figures = bare_result(scenario, cell, fetch)
            found.append(
                Entry(cell, figures, cell.base_grades, fetch(cell.base_grades).path, bare=True)
            )
    return found


@contextmanager
def _listed(name: str, missing: list[Missing]) -> Iterator[None]:
    """What is refused within is missing, and costs nothing else."""
    try:
        yield
    except HarnessError as error:
        missing.append(Missing(name, str(error)))


def _how(cells: Sequence[Cell], grid: str, fetch: Fetch) -> Iterator[tuple[str, str]]:
    """Machine and versions are from the first adapter's manifest, so that writing it again changes
    nothing."""
    first = cells[0]
    manifest = first_manifest(first, fetch)
    yield "model", _each(f"{cell.base.name} ({cell.base.content[:12]})" for cell in cells)
    yield "engines", _each(cell.engine.name for cell in cells)
    yield "grid, seeds", f"{grid}, {_each(sorted(cell.training.seed for cell in cells), ',')}"
    yield "probes", _each((len(cell.probes.probes) for cell in cells), " or ")
    if served := [cell.base for cell in cells if isinstance(cell.base, ServedBase)]:
        yield "asked", _each(f"{base.path} on {base.asked}" for base in served)
    if given := [adapter for cell in cells for adapter in cell.given or ()]:
        yield "adapters", _each(f"{adapter.name} ({adapter.content[:12]})" for adapter in given)
    by = {described(cell.decoding): cell.label for cell in cells}
    yield (
        "decoding",
        "; ".join(f"{label}: {text}" if len(by) > 1 else text for text, label in by.items()),
    )
    yield "grading", _each(cell.grades.grader for cell in cells)
    yield "machine", manifest.machine
    yield from sorted(manifest.versions.items())


def _each(values: Iterable[object], between: str = ", ") -> str:
    return between.join(dict.fromkeys(map(str, values)))


def against(
    part: ScenarioReport,
    baseline: Baseline,
    limits: Limits,
    counts: Mapping[str, int] | None = None,
) -> ScenarioReport:
    """``part`` with each cell that ``baseline`` holds compared with it.

    ``counts`` names the cells to compare, and says as one of how many comparisons each counts;
    without it all that the baseline holds are compared.
    """
    held = [e for e in part.entries if not e.bare and e.cell.unnamed in baseline.cells]
    asked = counts if counts is not None else {entry.cell.id: len(held) for entry in held}

    def beside(entry: Entry) -> Entry:
        if entry not in held or entry.cell.id not in asked:
            return entry
        kept, own = baseline.cells[entry.cell.unnamed], entry.result
        found = compare(
            kept,
            entry.lines(),
            own.cost,
            cell=entry.cell.id,
            baseline=baseline.name,
            status=own.status,
            cells=asked[entry.cell.id],
            limits=limits,
        )
        return replace(entry, before=kept, comparison=found)

    return part._replace(entries=[beside(entry) for entry in part.entries], baseline=baseline.name)
