"""Scatters of recall against locality and against seconds, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.report._results import Result


def plots(results: Sequence[Result], folder: Path) -> None:
    """locality.png/.svg and seconds.png/.svg in ``folder``."""
    trained = [r for r in results if r.status != "base"]
    _scatter(trained, lambda r: r.locality.estimate, "locality", folder / "locality")
    _scatter(trained, lambda r: r.cost["seconds"], "training seconds", folder / "seconds")


def _scatter(results: Sequence[Result], across: Callable[[Result], float], label: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": "harness", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        for name in dict.fromkeys(_dataset(r) for r in results):
            own = [r for r in results if _dataset(r) == name]
            axes.scatter(
                [across(r) for r in own], [r.recall["rephrased"].estimate for r in own], label=name, alpha=0.75
            )
        axes.set_xlabel(label)
        axes.set_ylabel("recall, rephrased")
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
        if results:
            axes.legend()
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
        figure.savefig(path.with_suffix(".png"), dpi=110, metadata={"Software": None})
        pyplot.close(figure)


def _dataset(result: Result) -> str:
    return result.id.partition("-rank")[0]
