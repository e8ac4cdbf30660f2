"""All files of a report."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import StoreError
from harness.experiments.scenario import Finding, Scenario
from harness.report._database import write_database
from harness.report._judging import judging_plain
from harness.report._markdown import document
from harness.report._page import page
from harness.report._results import DATABASE, Result
from harness.report._scenario_report import ScenarioReport
from harness.stats import Interval


def plots(scenario: Scenario, results: Sequence[Result], folder: Path) -> list[str]:
    """``<scenario>-locality`` and ``<scenario>-seconds``, as .png and .svg in ``folder``; the names
    without suffix.

    Both show the scenario's headline; a plot whose figures no cell has is left out.
    """
    trained = [r for r in results if r.adapted and scenario.headline in r.shares()]
    axes: dict[str, Callable[[Result], float | None]] = {
        "locality": lambda r: r.locality.estimate if r.locality else None,
        "training seconds": lambda r: r.cost.get("seconds"),
    }
    drawn = []
    for label, across in axes.items():
        points = [
            Point(_group(r), at, r.shares()[scenario.headline].estimate)
            for r in trained
            if (at := across(r)) is not None
        ]
        if points:
            drawn.append(f"{scenario.name}-{label.rpartition(' ')[2]}")
            _scatter(points, label, scenario.headline.replace("_", " "), folder / drawn[-1])
    return drawn


def draw(scenario: Scenario, findings: Sequence[Finding], folder: Path) -> None:
    """The curves of ``findings``, as ``<scenario>-<name>.png`` and ``.svg`` in ``folder``."""
    for curves in (c for finding in findings for c in finding.curves):
        with _axes(folder / f"{scenario.name}-{curves.name}", curves.x, curves.y) as axes:
            for name, points in curves.series.items():
                axes.plot(*zip(*sorted(points), strict=True), label=name, marker="o")
            if curves.doubling:
                axes.set_xscale("log", base=2)
                axes.xaxis.set_major_formatter("{x:g}")


class Point(NamedTuple):
    """One cell in a plot."""

    group: str
    across: float
    up: float


def _scatter(points: Sequence[Point], across: str, up: str, path: Path) -> None:
    with _axes(path, across, up) as axes:
        for name in dict.fromkeys(point.group for point in points):
            own = [point for point in points if point.group == name]
            axes.scatter([p.across for p in own], [p.up for p in own], label=name, alpha=0.75)
        if all(0 <= point.up <= 1 for point in points):
            axes.set_ylim(-0.03, 1.03)


@contextmanager
def _axes(path: Path, across: str, up: str) -> Iterator[Any]:
    """Axes to draw on, written to ``path`` with each suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": "harness", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        yield axes
        axes.set_xlabel(across)
        axes.set_ylabel(up)
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


_NOT_PLAIN = ("cell", "marks", "bare")


def write(parts: Sequence[ScenarioReport], folder: Path) -> Path:
    """RESULTS.md, .html and .json, results.sqlite and the plots in ``folder``; the same results
    give the same bytes.

    Each file is replaced as a whole: whoever reads one, or ends this session, never meets half of
    it.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = {part.scenario.name: plots(part.scenario, part.results, folder) for part in parts}
        for part in parts:
            draw(part.scenario, part.findings, folder)
        texts = {
            "RESULTS.md": document(parts, drawn),
            "RESULTS.html": page(parts),
            "RESULTS.json": (
                json.dumps(_plain(parts), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
            ),
        }
        for name, text in texts.items():
            _replace(folder / name, partial(_put, text))
        _replace(folder / DATABASE, partial(write_database, parts))
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"report folder {folder} cannot be written ({reason}): give another --report"
        ) from error
    return folder / "RESULTS.md"


def _put(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, write_to: Callable[[Path], object]) -> None:
    """Let ``write_to`` make a new file, and move it to ``path`` when it is whole."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as private:
        made = Path(private) / path.name
        write_to(made)
        made.replace(path)


def _plain(parts: Sequence[ScenarioReport]) -> dict[str, object]:
    scenarios = [_scenario(part) for part in parts]
    return {
        "scenarios": scenarios,
        "results": [_result(result) for part in parts for result in part.results],
    }


def _scenario(part: ScenarioReport) -> dict[str, object]:
    judged = {"judging": judging_plain(part.judging)} if part.judging else {}
    compared = [{**one._asdict(), "difference": one.difference._asdict()} for one in part.compared]
    for one in compared:
        one["detectable"] = one["detectable"] if one["detectable"] == one["detectable"] else None
    own: dict[str, object] = {
        "name": part.scenario.name,
        "title": part.scenario.title,
        "how": dict(part.settings),
    }
    own["findings"] = [
        {"title": f.title, "text": f.text, "summary": f.summary} for f in part.findings
    ]
    return {**own, "comparisons": compared, **judged}


def _result(result: Result) -> dict[str, object]:
    """Intervals as objects, by name."""
    kept = {name: value for name, value in result._asdict().items() if name not in _NOT_PLAIN}
    kept |= {"id": result.id, "model": result.model, "engine": result.engine}
    kept["factors"] = dict(result.cell.factors) if result.adapted else {}
    for name in ("recall", "measures"):
        kept[name] = {kind: _interval(found) for kind, found in kept[name].items()}
    for name in ("known", "locality", "retained_accuracy"):
        kept[name] = kept[name]._asdict() if kept[name] else None
    kept["wrong"] = [wrong._asdict() for wrong in result.wrong]
    return kept


def _interval(found: Interval) -> dict[str, float | None]:
    """Ends that are open are null: JSON has no infinity."""
    low, high = found.ends
    return {"estimate": found.estimate, "low": low, "high": high}
