"""All files of a report: plots, RESULTS.json, and the files that other modules write."""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import StoreError
from harness.experiments.findings import Finding
from harness.experiments.scenario import Scenario
from harness.report._database import write_database
from harness.report._judging import judging_plain
from harness.report._markdown import document
from harness.report._page import page
from harness.report._results import DATABASE, Result
from harness.report._scenario_report import ScenarioReport
from harness.report._tables import words
from harness.stats import Interval

_NOT_PLAIN = ("cell", "marks", "bare")


def write(reports: Sequence[ScenarioReport], folder: Path) -> Path:
    """Write RESULTS.md, .html and .json, results.sqlite and the plots into ``folder``.

    The same results give the same bytes. Each file is replaced as a whole, so that no reader meets
    half of one, also where the session is stopped. Returns the path of RESULTS.md.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plot_names = {
            report.scenario.name: plots(report.scenario, report.results, folder)
            for report in reports
        }
        for report in reports:
            draw(report.scenario, report.findings, folder)
        values = json.dumps(_plain(reports), indent=1, ensure_ascii=False, sort_keys=True)
        texts = {
            "RESULTS.md": document(reports, plot_names),
            "RESULTS.html": page(reports),
            "RESULTS.json": f"{values}\n",
        }
        for name, text in texts.items():
            _replace(folder / name, partial(_write_text, text))
        _replace(folder / DATABASE, partial(write_database, reports))
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"report folder {folder} cannot be written ({reason}): give another --report"
        ) from error
    return folder / "RESULTS.md"


def plots(scenario: Scenario, results: Sequence[Result], folder: Path) -> list[str]:
    """Draw ``<scenario>-locality`` and ``<scenario>-seconds`` into ``folder``, as .png and .svg.

    Both show the scenario's headline. A plot whose figures no cell has is left out. Returns the
    names without suffix.
    """
    cells = [
        result for result in results if result.adapted and scenario.headline in result.shares()
    ]
    axes: dict[str, Callable[[Result], float | None]] = {
        "locality": lambda result: result.locality.estimate if result.locality else None,
        "training seconds": lambda result: result.cost.get("seconds"),
    }
    names = []
    for label, value in axes.items():
        points = [
            Point(_group(cell), x, cell.shares()[scenario.headline].estimate)
            for cell in cells
            if (x := value(cell)) is not None
        ]
        if points:
            names.append(f"{scenario.name}-{label.rpartition(' ')[2]}")
            _scatter(points, label, words(scenario.headline), folder / names[-1])
    return names


def draw(scenario: Scenario, findings: Sequence[Finding], folder: Path) -> None:
    """The curves of ``findings``, as ``<scenario>-<name>.png`` and ``.svg`` in ``folder``."""
    for curves in (curves for finding in findings for curves in finding.curves):
        with _axes(folder / f"{scenario.name}-{curves.name}", curves.x, curves.y) as axes:
            for name, points in curves.series.items():
                axes.plot(*zip(*sorted(points), strict=True), label=name, marker="o")
            if curves.doubling:
                axes.set_xscale("log", base=2)
                axes.xaxis.set_major_formatter("{x:g}")


class Point(NamedTuple):
    """One cell in a plot."""

    group: str
    x: float
    y: float


def _scatter(points: Sequence[Point], x: str, y: str, path: Path) -> None:
    with _axes(path, x, y) as axes:
        for name in dict.fromkeys(point.group for point in points):
            group = [point for point in points if point.group == name]
            axes.scatter(
                [point.x for point in group], [point.y for point in group], label=name, alpha=0.75
            )
        if all(0 <= point.y <= 1 for point in points):
            axes.set_ylim(-0.03, 1.03)


@contextmanager
def _axes(path: Path, x: str, y: str) -> Iterator[Any]:
    """Axes to draw on, written to ``path`` with each suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Fixed ids and no dates, so that the same figures give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "harness", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        yield axes
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
        figure.savefig(path.with_suffix(".png"), dpi=110, metadata={"Software": None})
        pyplot.close(figure)


def _group(result: Result) -> str:
    """Dataset and label, with the model where there are several: one colour each."""
    cell = result.cell
    before, dataset, _ = cell.id.partition(cell.dataset.name)
    return "-".join(filter(None, (f"{before}{dataset}", cell.label)))


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, write_to: Callable[[Path], object]) -> None:
    """Let ``write_to`` make a new file, and move it to ``path`` when it is complete."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as private:
        new = Path(private) / path.name
        write_to(new)
        new.replace(path)


def _plain(reports: Sequence[ScenarioReport]) -> dict[str, object]:
    return {
        "scenarios": [_scenario(report) for report in reports],
        "results": [_result(result) for report in reports for result in report.results],
    }


def _scenario(report: ScenarioReport) -> dict[str, object]:
    values: dict[str, object] = {
        "name": report.scenario.name,
        "title": report.scenario.title,
        "how": dict(report.settings),
        "findings": [
            {"title": finding.title, "text": finding.text, "summary": finding.summary}
            for finding in report.findings
        ],
        "comparisons": [
            {
                **row._asdict(),
                "difference": row.difference._asdict(),
                "detectable": None if math.isnan(row.detectable) else row.detectable,
            }
            for row in report.compared
        ],
    }
    if report.judging:
        values["judging"] = judging_plain(report.judging)
    return values


def _result(result: Result) -> dict[str, object]:
    """Intervals as objects, by name."""
    fields = result._asdict()
    values = {name: value for name, value in fields.items() if name not in _NOT_PLAIN}
    values |= {"id": result.id, "model": result.model, "engine": result.engine}
    values["factors"] = dict(result.cell.factors) if result.adapted else {}
    for name in ("recall", "measures"):
        values[name] = {kind: _interval(share) for kind, share in values[name].items()}
    for name in ("known", "locality", "retained_accuracy"):
        values[name] = values[name]._asdict() if values[name] else None
    values["wrong"] = [wrong._asdict() for wrong in result.wrong]
    return values


def _interval(share: Interval) -> dict[str, float | None]:
    """Ends that are open are null: JSON has no infinity."""
    low, high = share.ends
    return {"estimate": share.estimate, "low": low, "high": high}
