"""The setting to take, the front it lies on, and what each parameter does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import mean

from tabulate import tabulate

from harness.experiments.cells import Cell
from harness.experiments.scenario import Curves, Fetch, Finding
from harness.experiments.shares import over_seeds, trial
from harness.experiments.tuning import Trial, best, front, score, search, shortfall
from harness.recipes import Training
from harness.scenarios.grid._grid import AXES

_PARAMETERS = ("epochs", "lr", "rank", "alpha", "cutoff", "warmup_steps")
_DOUBLING = ("epochs", "lr", "rank", "alpha", "cutoff")
DRAWS = 100
"""Searches that are held against the full grid, each from a draw of its own."""
NEAR = 0.02
"""Of the front: what a search may lack in both shares."""
_HEAD = (*_PARAMETERS, "recall", "locality", "train s", "score")


def findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """For each model and engine: what is recommended, and the front; on the full grid also what a
    search would take."""
    found: list[Finding] = []
    for name, own in groupby(cells, lambda cell: cell.model_name):
        trials = over_seeds([trial(cell, fetch) for cell in own])
        taken = best(trials)
        more = (
            [_searched(trials)] if len(trials) == len(AXES.settings(1)) * len(AXES.epochs) else []
        )
        said = options(taken.training)
        text = f"`{said}`\n\nThe front, the recommended setting first:\n\n{_table(trials, taken)}"
        found += [Finding(f"Recommended for {name}", text, said, tuple(_curves(trials))), *more]
    return found


def options(training: Training) -> str:
    """``training`` as ``python -m harness train`` takes it."""
    given = " ".join(f"{name}={getattr(training, name):g}" for name in _PARAMETERS)
    return f"--preset steady --replay known --set replay=1 {given}"


def _table(trials: Sequence[Trial], first: Trial) -> str:
    ordered = sorted(front(trials), key=lambda t: (t != first, -score(t)))
    return tabulate(
        [_row(t) for t in dict.fromkeys((first, *ordered))], _HEAD, "github", disable_numparse=True
    )


def _row(found: Trial) -> list[str]:
    shares = [
        f"{found.recall:.2f}",
        f"{found.locality:.2f}",
        f"{found.seconds:.1f}",
        f"{score(found):.3f}",
    ]
    return [f"{getattr(found.training, name):g}" for name in _PARAMETERS] + shares


def _searched(trials: Sequence[Trial]) -> Finding:
    """What ``python -m harness tune`` would have found, held against the full grid: from its own
    draw, and from others, as one draw may have been lucky. Every trial of a search is a cell of the
    grid, so nothing is trained.
    """
    known = {trial.training: trial for trial in trials}
    searches = [search(AXES, known.__getitem__, seed=draw) for draw in range(DRAWS)]
    tried, taken = searches[0], best(searches[0])
    lacks = [shortfall(best(each), trials) for each in searches]
    seconds = sum(t.seconds for t in tried) / sum(t.seconds for t in trials)
    text = (
        f"The search tries {len(tried)} of {len(trials)} settings, which takes"
        f" {AXES.share(tried):.0%} of the full grid's epochs, {seconds:.0%} of its seconds. What it"
        f" recommends lies {lacks[0]:.3f} below the full grid's front. Of {DRAWS} searches, each"
        f" from a draw of its own, {sum(lack <= NEAR for lack in lacks)} end within {NEAR} of it;"
        f" their mean is {mean(lacks):.3f}, the worst {max(lacks):.3f}.\n\n"
        + tabulate([_row(taken), _row(best(trials))], _HEAD, "github", disable_numparse=True)
    )
    said = f"{lacks[0]:.3f} below the front at {AXES.share(tried):.0%} of the compute"
    return Finding("The search against the full grid", text, said)


def _curves(trials: Sequence[Trial]) -> list[Curves]:
    """Mean recall and locality over each parameter that varies."""
    found = []
    for name in _PARAMETERS:
        values = sorted({getattr(t.training, name) for t in trials})
        if len(values) < 2:
            continue
        series = {
            share: [
                (v, mean(getattr(t, share) for t in trials if getattr(t.training, name) == v))
                for v in values
            ]
            for share in ("recall", "locality")
        }
        found.append(Curves(name, name.replace("_", " "), "share", series, name in _DOUBLING))
    return found
