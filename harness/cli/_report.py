"""Write a report from what is cached, plan a suite, compare two reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._common import SUITES, Commands, add_selection, add_store, counted, selected
from harness.errors import DataError, TooLittleKnownError

if TYPE_CHECKING:
    from harness.report import ReportPair, ScenarioReport, WrittenReport


def add_plan(commands: Commands) -> None:
    parser = commands.add_parser(
        "plan",
        help="show what a suite would build",
        description=(
            "Show what `pytest suites/SCENARIO` would build and what is cached; nothing is built."
        ),
    )
    parser.add_argument(
        "scenario", metavar="SCENARIO", help="such as oscars, or the folder of your own"
    )
    add_selection(parser)
    add_store(parser)
    parser.add_argument(
        "--shard", metavar="I/N", help="only the I-th of N shares of the cells, e.g. 2/8"
    )
    parser.set_defaults(run=run_plan)


def run_plan(options: argparse.Namespace) -> int:
    from harness.builds import Plan, Shard, divided
    from harness.store import open_store

    shard = Shard.of(options.shard) if options.shard else None
    cells = selected(options.scenario, options)
    if shard:
        part = divided([list(cell.jobs()) for cell in cells], shard.total).parts[shard.number - 1]
        print(f"shard {shard}: {len(part)} of {counted(len(cells), 'cell')}")
        cells = [cells[place] for place in part]
    store = open_store(options.store, options.store_cache)
    print(Plan.of([job for cell in cells for job in cell.jobs()], store).table())
    for note in dict.fromkeys(cell.note for cell in cells if cell.note):
        print(note)
    return 0


def add_report(commands: Commands) -> None:
    parser = commands.add_parser(
        "report",
        help="write a report from what is cached",
        description=(
            "Write RESULTS.md, .html and .json, results.sqlite and the plots of all cells whose"
            " answers are in the store, as a session writes them at its end. Nothing is built;"
            " missing cells are listed."
        ),
    )
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="such as oscars [all that have cells cached]",
    )
    add_selection(parser)
    add_store(parser)
    parser.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where it goes [reports]",
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="compare with this baseline, on RESULTS.html"
    )
    parser.add_argument(
        "--baselines",
        default="suites/{scenario}/baselines",
        metavar="DIR",
        help="where it is kept [%(default)s]",
    )
    parser.add_argument(
        "--mlflow",
        metavar="FOLDER|URI",
        help="also log each cell as a run in this MLflow store, once",
    )
    parser.add_argument(
        "--readme", action="store_true", help="also rewrite the tables of the suites' READMEs"
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="also put a table of each scenario into the block of this markdown page",
    )
    parser.add_argument(
        "--project", type=Path, default=Path(), metavar="DIR", help="whose READMEs: a checkout [.]"
    )
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> int:
    from harness.report import MlflowStore, rewrite_page, rewrite_readmes, write

    # opened before the report is made, as a mistake in it should show at once
    tracker = MlflowStore(options.mlflow) if options.mlflow else None
    reports = list(_reports(options))
    filled = [report for report in reports if report.entries]
    # of scenarios that nobody named, those without cells are not worth a line
    for report in reports if options.scenarios else filled:
        print("\n".join(_lines(report)))
    if not filled:
        names = " ".join(options.scenarios) or "any scenario"
        raise DataError(
            f"no cell of {names} is cached in {options.store} as selected: pytest suites/... builds"
            " them"
        )
    print(f"report: {write(filled, options.report)}")
    if tracker:
        print(f"mlflow: {tracker.export(filled)}")
    if options.readme:
        changed = rewrite_readmes(filled, options.project, options.report)
        print(
            "\n".join(f"rewritten: {file}" for file in changed)
            or "the READMEs are as they should be"
        )
    if options.into:
        is_new = rewrite_page(filled, options.into)
        print(f"{'rewritten' if is_new else 'unchanged'}: {options.into}")
    return 0


def _reports(options: argparse.Namespace) -> Iterator[ScenarioReport]:
    from functools import partial

    from harness.builds import cached
    from harness.experiments.selection import find, is_scenario, load, shipped
    from harness.report import scenario_report
    from harness.store import existing_store

    fetch = partial(cached, store=existing_store(options.store, options.store_cache))
    own = [folder.name for folder in sorted(SUITES.glob("*")) if is_scenario(folder)]
    for name in dict.fromkeys(options.scenarios or (*own, *shipped())):
        scenario = load(find(name, SUITES))
        try:
            cells = selected(name, options)
        except TooLittleKnownError as error:
            if options.scenarios:  # asked for by name
                raise
            print(f"{name}: {error}", file=sys.stderr)
            continue
        report = scenario_report(scenario, cells, options.grid, fetch)
        yield _compared(report, options) if options.baseline and report.entries else report


def _compared(report: ScenarioReport, options: argparse.Namespace) -> ScenarioReport:
    from harness.report import against
    from harness.report.baselines import Limits, load

    name = report.scenario.name
    folder = Path(options.baselines.replace("{scenario}", name)).expanduser()
    return against(report, load(folder / f"{options.baseline}.json", name), Limits())


def _lines(report: ScenarioReport) -> Sequence[str]:
    """How many cells are reported, and which are missing."""
    name = report.scenario.name
    cells = counted(sum(entry.result.adapted for entry in report.entries), "cell")
    if not report.missing:
        return [f"{name}: {cells}, none missing"]
    return [
        f"{name}: {cells}, {len(report.missing)} missing, which `pytest suites/{name}` builds",
        *(f"  {missing.cell}: {missing.reason}" for missing in report.missing),
    ]


def add_compare(commands: Commands) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare two reports, cell by cell",
        description=(
            "Compare two reports, as the suites write them: for each cell in both, what B has and"
            " by how much that is more than A. A star marks shares that differ by a paired test"
            " over facts, corrected for all shares of the table (Holm). The tests read"
            " results.sqlite beside each RESULTS.json."
        ),
    )
    parser.add_argument(
        "a", type=Path, metavar="A", help="a RESULTS.json, or the folder that holds it"
    )
    parser.add_argument("b", type=Path, metavar="B", help="another")
    parser.add_argument(
        "--fail-below",
        type=float,
        metavar="X",
        help=(
            "exit with 1 where a recall or locality fell by more than X: by the paired test of"
            " baselines, so that chance alone is not taken for a fall"
        ),
    )
    parser.set_defaults(run=run_compare)


def run_compare(options: argparse.Namespace) -> int:
    from harness.report import WrittenReport, report_table

    tolerance: float | None = options.fail_below
    if tolerance is not None and not tolerance >= 0:
        raise DataError(f"--fail-below is {tolerance:g}: it must be at least 0")
    a, b = WrittenReport(options.a), WrittenReport(options.b)
    pairs, advice = _pairs(a, b)
    table = report_table(pairs) if pairs else "no cell is in both"
    print(table)
    if "*)" in table:
        print("\n*: differs, by a paired test over facts, corrected for all shares of the table")
    lines = [""]
    for report, other in ((a, b), (b, a)):
        keys = [key for key in report.cells if key not in other.cells]
        lines += [f"only in {report.path}: {report.name(key)}" for key in keys]
    print("\n".join(lines))
    if tolerance is None:
        if advice:
            print(f"not tested: {advice}")
        return 0
    if advice or not pairs:
        raise DataError(
            advice
            or f"{options.a} and {options.b} have no cell in common: there is nothing to compare"
        )
    return _print_falls(pairs, a, tolerance)


def _pairs(a: WrittenReport, b: WrittenReport) -> tuple[list[ReportPair], str]:
    """The cells of both, and a line on what to do where some of them cannot be tested."""
    from harness.report import report_pairs

    try:
        pairs = report_pairs(a, b)
    except DataError as error:
        return report_pairs(a, b, tested=False), str(error)
    untested = [f"{', '.join(pair.untested)} of {pair.name}" for pair in pairs if pair.untested]
    if not untested:
        return pairs, ""
    more = f" (and of {len(untested) - 1} more cells)" if len(untested) > 1 else ""
    return pairs, (
        f"{a.database} and {b.database} have no verdicts in common on {untested[0]}{more}: write"
        " both reports again by `python -m harness report`"
    )


def _print_falls(pairs: Sequence[ReportPair], a: WrittenReport, tolerance: float) -> int:
    """Print what is worse in B. Returns the exit code; raises DataError if no test can say it."""
    from harness.report import report_changes

    comparisons = report_changes(pairs, a, tolerance)
    lines = []
    for pair, comparison in zip(pairs, comparisons, strict=True):
        lines += [f"{pair.name}: {line}" for line in comparison.worse]
        lines += [f"{pair.name}: {name} is gone" for name in pair.gone]
        if comparison.blind:
            print(f"{pair.name}: {comparison.blind}")
        if pair.unmatched:
            print(f"{pair.name}: {pair.unmatched} questions are in one report only, and left out")
    if not lines and not any(comparison.conclusive for comparison in comparisons):
        raise DataError("no cell has enough facts to show a loss: ask about more facts")
    print("\n".join(lines) or f"no recall or locality is shown to fall by more than {tolerance:g}")
    return 1 if lines else 0
