"""Scatters of what was remembered against locality and against seconds, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from harness.report._results import Result
from harness.scenarios import Finding, Scenario


def plots(scenario: Scenario, results: Sequence[Result], folder: Path) -> list[str]:
    """``<scenario>-locality`` and ``<scenario>-seconds``, as .png and .svg in ``folder``; the names without suffix.

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
            Point(_dataset(r), at, r.shares()[scenario.headline].estimate)
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
        with _axes(folder / f"{scenario.name}-{curves.name}", curves.across, curves.up) as axes:
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


def _dataset(result: Result) -> str:
    return result.id.partition("-rank")[0]
