"""``report``: all files of a report again, from what lies in the store."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._common import SUITES, Commands, add_selection, add_store, counted, selected
from harness.errors import DataError


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


if TYPE_CHECKING:
    from harness.report import ScenarioReport


def add(commands: Commands) -> None:
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
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
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
    from harness.experiments.loader import find, load, shipped
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
