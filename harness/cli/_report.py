"""Write a report from what is cached, plan a suite, compare two reports."""

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

LOCALITY = "locality"
_SLACK = 1e-9  # 0.80 - 0.70 is more than 0.1, in binary


class Figures(NamedTuple):
    """One cell of a report."""

    status: str
    shares: dict[str, Interval]
    """Recall by kind, and locality where the cell has an adapter."""
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
    own = commands.add_parser(
        "compare",
        help="compare two reports, cell by cell",
        description=(
            "Compare two RESULTS.json, as the suites write them: for each cell in both, what B has"
            " and by how much that is more than A. A star marks shares whose 95% intervals do not"
            " overlap."
        ),
    )
    own.add_argument(
        "a", type=Path, metavar="A", help="a RESULTS.json, or the folder that holds it"
    )
    own.add_argument("b", type=Path, metavar="B", help="another")
    own.add_argument(
        "--fail-below",
        type=float,
        metavar="X",
        help="exit with 1 where a recall or locality fell by more than X",
    )
    own.set_defaults(run=run_compare)


def run_compare(given: argparse.Namespace) -> int:
    a, b = read(given.a), read(given.b)
    both = [cell for cell in a if cell in b]
    print(table(a, b) if both else "no cell is in both")
    for path, own, other in ((given.a, a, b), (given.b, b, a)):
        print("".join(f"\nonly in {path}: {cell}" for cell in own if cell not in other), end="")
    print()
    if given.fail_below is None:
        return 0
    if not given.fail_below >= 0:
        raise DataError(f"--fail-below is {given.fail_below:g}: it must be at least 0")
    if not both:
        raise DataError(
            f"{given.a} and {given.b} have no cell in common: nothing can be said to have held"
        )
    fallen = [fall for fall in falls(a, b) if fall.was - fall.now > given.fail_below + _SLACK]
    print(
        "\n".join(map(str, fallen))
        or f"no recall or locality fell by more than {given.fail_below:g}"
    )
    return 1 if fallen else 0


def read(path: Path) -> dict[str, Figures]:
    """The cells of a RESULTS.json, in its order. Raises DataError where it is none."""
    file = path / "RESULTS.json" if path.is_dir() else path
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["results"]
        return {str(cell["id"]): _figures(cell) for cell in found}
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}): give a RESULTS.json of a report"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is no RESULTS.json ({error}): give one that pytest suites/... wrote"
        ) from error


def table(a: Mapping[str, Figures], b: Mapping[str, Figures], form: str = "github") -> str:
    """A row a cell that is in both: B, and in brackets B - A."""
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
    """Every share that is lower in ``b``; one that ``b`` no longer has counts as fallen to 0."""
    for cell in (cell for cell in a if cell in b):
        for measure, was in a[cell].shares.items():
            now = b[cell].shares[measure].estimate if measure in b[cell].shares else 0.0
            if now < was.estimate:
                yield Fall(cell, measure, was.estimate, now)


def _figures(cell: Mapping[str, Any]) -> Figures:
    shares = {str(kind): _interval(value) for kind, value in cell["recall"].items()}
    bare = cell["status"] == "base"  # by definition as local as itself
    shares |= {} if bare or not cell["locality"] else {LOCALITY: _interval(cell["locality"])}
    return Figures(cell["status"], shares, cell["cost"].get("seconds"))


def _interval(value: Mapping[str, float]) -> Interval:
    found = Interval(float(value["estimate"]), float(value["low"]), float(value["high"]))
    if not all(map(math.isfinite, found)):
        raise ValueError(f"a share is {found.estimate}, not a number")
    return found


def _change(was: Interval | None, now: Interval | None) -> str:
    if was is None or now is None:
        return (
            ""
            if now is None and was is None
            else "gone"
            if now is None
            else f"{now.estimate:.2f} (new)"
        )
    apart = now.low > was.high or was.low > now.high
    return f"{now.estimate:.2f} ({now.estimate - was.estimate:+.2f}{'*' if apart else ''})"


def _spent(was: float | None, now: float | None) -> str:
    return "" if was is None or now is None else f"{now:.1f} ({now - was:+.1f})"


def _status(was: Figures, now: Figures) -> str:
    return now.status if was.status == now.status else f"{now.status} (was {was.status})"


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
    from harness.experiments.selection import find, is_scenario, load, shipped
    from harness.report import scenario_report
    from harness.store import Store

    fetch = partial(cached, store=Store.existing(given.store))
    own = [folder.name for folder in sorted(SUITES.glob("*")) if is_scenario(folder)]
    for name in dict.fromkeys(given.scenarios or (*own, *shipped())):
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
