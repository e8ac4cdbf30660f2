"""Write a report from what is cached, plan a suite, compare two reports."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._common import SUITES, Commands, add_selection, add_store, counted, selected
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.report import ReportPair, ScenarioReport, WrittenReport


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


def run_compare(args: argparse.Namespace) -> int:
    from harness.report import WrittenReport, report_table

    tolerance: float | None = args.fail_below
    if tolerance is not None and not tolerance >= 0:
        raise DataError(f"--fail-below is {tolerance:g}: it must be at least 0")
    a, b = WrittenReport(args.a), WrittenReport(args.b)
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
            advice or f"{args.a} and {args.b} have no cell in common: there is nothing to compare"
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


def add_plan(commands: Commands) -> None:
    own = commands.add_parser(
        "plan",
        help="show what a suite would build",
        description=(
            "Show what `pytest suites/SCENARIO` would build and what is cached; nothing is built."
        ),
    )
    own.add_argument(
        "scenario", metavar="SCENARIO", help="such as oscars, or the folder of your own"
    )
    add_selection(own)
    add_store(own)
    own.set_defaults(run=run_plan)


def run_plan(given: argparse.Namespace) -> int:
    from harness.builds import Plan
    from harness.store import Store

    jobs = [job for cell in selected(given.scenario, given) for job in cell.jobs()]
    print(Plan.of(jobs, Store(given.store)).table())
    return 0


def add_report(commands: Commands) -> None:
    own = commands.add_parser(
        "report",
        help="write a report from what is cached",
        description=(
            "Write RESULTS.md, .html and .json, results.sqlite and the plots of all cells whose"
            " answers lie in the store, as a session writes them at its end. Nothing is built; what"
            " is missing is listed."
        ),
    )
    own.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="such as oscars [all that have cells cached]",
    )
    add_selection(own)
    add_store(own)
    own.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where it goes [reports]",
    )
    own.add_argument(
        "--baseline", metavar="NAME", help="compare with this baseline, on RESULTS.html"
    )
    own.add_argument(
        "--baselines",
        default="suites/{scenario}/baselines",
        metavar="DIR",
        help="where it is kept [%(default)s]",
    )
    own.add_argument(
        "--mlflow",
        metavar="FOLDER|URI",
        help="also put the cells into this MLflow store, each as a run, once",
    )
    own.add_argument(
        "--readme", action="store_true", help="also rewrite the tables of the suites' READMEs"
    )
    own.add_argument(
        "--project", type=Path, default=Path(), metavar="DIR", help="whose READMEs: a checkout [.]"
    )
    own.set_defaults(run=run_report)


def run_report(given: argparse.Namespace) -> int:
    from harness.report import MlflowStore, rewrite_readmes, write

    tracker = (
        MlflowStore(given.mlflow) if given.mlflow else None
    )  # opened now: a mistake in it is told before the work
    parts = list(_parts(given))
    found = [part for part in parts if part.entries]
    for part in found if not given.scenarios else parts:
        print("\n".join(_said(part)))
    if not found:
        asked = " ".join(given.scenarios) or "any scenario"
        raise DataError(
            f"no cell of {asked} is cached in {given.store} as selected: pytest suites/... builds"
            " them"
        )
    print(f"report: {write(found, given.report)}")
    if tracker:
        print(f"mlflow: {tracker.export(found)}")
    if given.readme:
        changed = rewrite_readmes(found, given.project, given.report)
        print(
            "\n".join(f"rewritten: {file}" for file in changed)
            or "the READMEs are as they should be"
        )
    return 0


def _parts(given: argparse.Namespace) -> Iterator[ScenarioReport]:
    from functools import partial

    from harness.builds import cached
    from harness.experiments.selection import find, load, shipped
    from harness.report import scenario_report
    from harness.store import Store

    fetch = partial(cached, store=Store.existing(given.store))
    for name in dict.fromkeys(given.scenarios or shipped()):
        scenario = load(find(name, SUITES))
        found = scenario_report(scenario, selected(name, given), given.grid, fetch)
        yield _compared(found, given) if given.baseline and found.entries else found


def _compared(found: ScenarioReport, given: argparse.Namespace) -> ScenarioReport:
    from harness.report import against
    from harness.report.baselines import Limits, load

    folder = Path(given.baselines.replace("{scenario}", found.scenario.name)).expanduser()
    return against(found, load(folder / f"{given.baseline}.json", found.scenario.name), Limits())


def _said(part: ScenarioReport) -> Sequence[str]:
    own = part.scenario.name
    reported = counted(sum(entry.result.adapted for entry in part.entries), "cell")
    if not part.missing:
        return [f"{own}: {reported}, none missing"]
    return [
        f"{own}: {reported}, {len(part.missing)} missing, which `pytest suites/{own}` builds",
        *(f"  {missing.cell}: {missing.reason}" for missing in part.missing),
    ]
