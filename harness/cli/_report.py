"""``plan``, ``report`` and ``compare``: what a suite would build, what it found, what changed."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli._common import SUITES, Commands, add_selection, add_store, counted, selected
from harness.errors import DataError
from harness.stats import Interval

if TYPE_CHECKING:
    from harness.report import ScenarioReport

LOCALITY = "locality"
_SLACK = 1e-9  # in binary, 0.80 - 0.70 is more than 0.1


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
    parser.set_defaults(run=run_plan)


def run_plan(options: argparse.Namespace) -> int:
    from harness.builds import Plan
    from harness.store import Store

    jobs = [job for cell in selected(options.scenario, options) for job in cell.jobs()]
    print(Plan.of(jobs, Store(options.store)).table())
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
        "--project", type=Path, default=Path(), metavar="DIR", help="whose READMEs: a checkout [.]"
    )
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> int:
    from harness.report import MlflowStore, rewrite_readmes, write

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
    return 0


def _reports(options: argparse.Namespace) -> Iterator[ScenarioReport]:
    from functools import partial

    from harness.builds import cached
    from harness.experiments.selection import find, load, shipped
    from harness.report import scenario_report
    from harness.store import Store

    fetch = partial(cached, store=Store.existing(options.store))
    for name in dict.fromkeys(options.scenarios or shipped()):
        scenario = load(find(name, SUITES))
        report = scenario_report(scenario, selected(name, options), options.grid, fetch)
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


class Figures(NamedTuple):
    """One cell of a report."""

    status: str
    shares: dict[str, Interval]
    """Recall by kind, and locality in a cell with an adapter."""
    seconds: float | None
    """Of training; None for a bare model."""


class Fall(NamedTuple):
    """A share that is lower in the second report."""

    cell: str
    measure: str
    was: float
    now: float

    def __str__(self) -> str:
        return (
            f"{self.cell}: {self.measure} fell by {self.was - self.now:.3f}, from {self.was:.3f} to"
            f" {self.now:.3f}"
        )


def add_compare(commands: Commands) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare two reports, cell by cell",
        description=(
            "Compare two RESULTS.json that suites wrote: for each cell in both, the shares of B,"
            " and in brackets the difference from A. A star marks shares whose 95% intervals do"
            " not overlap."
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
        help="exit with 1 where a recall or locality fell by more than X",
    )
    parser.set_defaults(run=run_compare)


def run_compare(options: argparse.Namespace) -> int:
    a, b = read(options.a), read(options.b)
    both = [cell for cell in a if cell in b]
    print(table(a, b) if both else "no cell is in both")
    for path, cells, others in ((options.a, a, b), (options.b, b, a)):
        only = [cell for cell in cells if cell not in others]
        print("".join(f"\nonly in {path}: {cell}" for cell in only), end="")
    print()
    if options.fail_below is None:
        return 0
    if not options.fail_below >= 0:
        raise DataError(f"--fail-below is {options.fail_below:g}: it must be at least 0")
    if not both:
        raise DataError(
            f"{options.a} and {options.b} have no cell in common: nothing can be said to have held"
        )
    fallen = [fall for fall in falls(a, b) if fall.was - fall.now > options.fail_below + _SLACK]
    print(
        "\n".join(map(str, fallen))
        or f"no recall or locality fell by more than {options.fail_below:g}"
    )
    return 1 if fallen else 0


def read(path: Path) -> dict[str, Figures]:
    """The cells of a RESULTS.json, in its order. Raises DataError where it is none."""
    file = path / "RESULTS.json" if path.is_dir() else path
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["results"]
        return {str(cell["id"]): _figures(cell) for cell in cells}
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}): give a RESULTS.json of a report"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is no RESULTS.json ({error}): give one that pytest suites/... wrote"
        ) from error


def table(a: Mapping[str, Figures], b: Mapping[str, Figures], form: str = "github") -> str:
    """A row for each cell that is in both: B, and in brackets B - A."""
    from tabulate import tabulate

    both = [cell for cell in a if cell in b]
    recall = [m for c in both for m in (*a[c].shares, *b[c].shares) if m != LOCALITY]
    measures = [*dict.fromkeys(recall), LOCALITY]
    rows = []
    for cell in both:
        shares = [_change(a[cell].shares.get(m), b[cell].shares.get(m)) for m in measures]
        rows.append(
            [cell, *shares, _spent(a[cell].seconds, b[cell].seconds), _status(a[cell], b[cell])]
        )
    head = ["cell", *(m.replace("_", " ") for m in measures), "train s", "status"]
    return str(tabulate(rows, head, form, disable_numparse=True))


def falls(a: Mapping[str, Figures], b: Mapping[str, Figures]) -> Iterator[Fall]:
    """Every share that is lower in ``b``; a share that ``b`` does not have counts as 0."""
    for cell in (cell for cell in a if cell in b):
        for measure, was in a[cell].shares.items():
            now = b[cell].shares[measure].estimate if measure in b[cell].shares else 0.0
            if now < was.estimate:
                yield Fall(cell, measure, was.estimate, now)


def _figures(cell: Mapping[str, Any]) -> Figures:
    shares = {str(kind): _interval(value) for kind, value in cell["recall"].items()}
    # the locality of a bare model is 1 by definition
    if cell["status"] != "base" and cell["locality"]:
        shares[LOCALITY] = _interval(cell["locality"])
    return Figures(cell["status"], shares, cell["cost"].get("seconds"))


def _interval(value: Mapping[str, float]) -> Interval:
    interval = Interval(float(value["estimate"]), float(value["low"]), float(value["high"]))
    if not all(map(math.isfinite, interval)):
        raise ValueError(f"a share is {interval.estimate}, not a number")
    return interval


def _change(was: Interval | None, now: Interval | None) -> str:
    if now is None:
        return "" if was is None else "gone"
    if was is None:
        return f"{now.estimate:.2f} (new)"
    star = "*" if now.low > was.high or was.low > now.high else ""
    return f"{now.estimate:.2f} ({now.estimate - was.estimate:+.2f}{star})"


def _spent(was: float | None, now: float | None) -> str:
    return "" if was is None or now is None else f"{now:.1f} ({now - was:+.1f})"


def _status(was: Figures, now: Figures) -> str:
    return now.status if was.status == now.status else f"{now.status} (was {was.status})"
