"""Which training parameters to take, from a grid over six of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from statistics import mean

from tabulate import tabulate

from harness.data.awards import ten_dataset, ten_probes
from harness.experiments import Curves, Design, Evidence, Finding, Scenario, Setup
from harness.experiments.measures import over_seeds, trial
from harness.experiments.tuning import (
    AXES,
    PARAMETERS,
    Trial,
    best,
    front,
    options,
    score,
    search,
    shortfall,
    with_training,
)
from harness.recipes import ProbeSet, Training

CENTRE = AXES.at((1e-3, 32, 2, 256, 0), 3)
"""The middle setting."""
DRAWS = 100
"""Searches that are compared with the full grid, each from a draw of its own."""
NEAR = 0.02
"""How far below the front a search may end, in both shares."""
_DOUBLING = ("epochs", "lr", "rank", "alpha", "cutoff")
_HEAD = (*PARAMETERS, "recall", "locality", "train s", "score")


def default(setup: Setup) -> Iterator[Design]:
    """A middle setting, and those that differ from it in one parameter."""
    return _designs(setup, list(dict.fromkeys(_star())))


def full(setup: Setup) -> Iterator[Design]:
    """The product of all parameters."""
    return _designs(setup, [each for epochs in AXES.epochs for each in AXES.settings(epochs)])


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """For each model and engine: what is recommended, and the front.

    On the full grid also what a search would recommend.
    """
    results: list[Finding] = []
    trained = [evidence for evidence in cells if evidence.cell.subject.trains]
    for name, group in groupby(trained, lambda evidence: evidence.cell.subject.name):
        trials = over_seeds([trial(evidence) for evidence in group])
        results.append(_recommended(name, trials))
        if len(trials) == len(AXES.settings(1)) * len(AXES.epochs):
            results.append(_searched(trials))
    return results


@cache
def probes() -> ProbeSet:
    """About the ten facts, but not in the trained wordings."""
    return ten_probes("rephrased", "other_format")


def _designs(setup: Setup, settings: Sequence[Training]) -> Iterator[Design]:
    design = Design(ten_dataset(), CENTRE, probes(), setup.knowledge.replay())
    return (with_training(design, training) for training in settings)


def _star() -> Iterator[Training]:
    yield CENTRE
    yield from (replace(CENTRE, epochs=epochs) for epochs in AXES.epochs)
    yield from (replace(CENTRE, lr=lr) for lr in AXES.values["lr"])
    yield from (replace(CENTRE, rank=rank, alpha=2 * rank) for rank in AXES.values["rank"])
    yield replace(CENTRE, alpha=CENTRE.rank)
    yield from (replace(CENTRE, cutoff=cutoff) for cutoff in AXES.values["cutoff"])
    yield from (replace(CENTRE, warmup_steps=steps) for steps in AXES.values["warmup_steps"])


def _recommended(name: str, trials: Sequence[Trial]) -> Finding:
    recommended = best(trials)
    summary = options(recommended.training)
    others = sorted(front(trials), key=lambda each: -score(each))
    table = _table(list(dict.fromkeys((recommended, *others))))
    text = f"`{summary}`\n\nThe front, the recommended setting first:\n\n{table}"
    return Finding(f"Recommended for {name}", text, summary, tuple(_curves(trials)))


def _searched(trials: Sequence[Trial]) -> Finding:
    """What ``python -m harness tune`` would have found, compared with the full grid.

    It is searched from its own draw and from others, as one draw may be lucky. Every trial of a
    search is a cell of the grid, so nothing is trained.
    """
    known = {trial.training: trial for trial in trials}
    searches = [search(AXES, known.__getitem__, seed=draw) for draw in range(DRAWS)]
    lacks = [shortfall(best(results), trials) for results in searches]
    tried = searches[0]
    share = f"{AXES.share(tried):.0%}"
    seconds = sum(result.seconds for result in tried) / sum(result.seconds for result in trials)
    text = (
        f"The search tries {len(tried)} of {len(trials)} settings, which takes {share} of the full"
        f" grid's epochs, {seconds:.0%} of its seconds. What it recommends lies {lacks[0]:.3f}"
        f" below the full grid's front. Of {DRAWS} searches, each from a draw of its own,"
        f" {sum(lack <= NEAR for lack in lacks)} end within {NEAR} of it; their mean is"
        f" {mean(lacks):.3f}, the worst {max(lacks):.3f}.\n\n{_table([best(tried), best(trials)])}"
    )
    summary = f"{lacks[0]:.3f} below the front at {share} of the compute"
    return Finding("The search against the full grid", text, summary)


def _table(trials: Sequence[Trial]) -> str:
    return tabulate([_row(result) for result in trials], _HEAD, "github", disable_numparse=True)


def _row(result: Trial) -> list[str]:
    settings = [f"{getattr(result.training, name):g}" for name in PARAMETERS]
    shares = [f"{result.recall:.2f}", f"{result.locality:.2f}"]
    return [*settings, *shares, f"{result.seconds:.1f}", f"{score(result):.3f}"]


def _curves(trials: Sequence[Trial]) -> Iterator[Curves]:
    """Mean recall and locality over each parameter that varies."""
    for name in PARAMETERS:
        groups: dict[float, list[Trial]] = {}
        for result in trials:
            groups.setdefault(getattr(result.training, name), []).append(result)
        if len(groups) < 2:
            continue
        series = {
            share: [(value, _mean(share, groups[value])) for value in sorted(groups)]
            for share in ("recall", "locality")
        }
        yield Curves(name, name.replace("_", " "), "share", series, name in _DOUBLING)


def _mean(share: str, trials: Sequence[Trial]) -> float:
    return mean(float(getattr(result, share)) for result in trials)


SCENARIO = Scenario(
    "grid",
    "Training parameters, and which to take",
    grids={"default": default, "full": full},
    findings=findings,
)
