"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.experiments.tuning import Axes
from harness.recipes import Base, ProbeSet, Training
from harness.scenarios import stacking
from harness.scenarios.oscars import replay
from harness.training.presets import STEADY

GRIDS = ("default", "full")
AXES = Axes(
    replace(STEADY, replay=1.0),
    {
        "lr": (3e-4, 1e-3, 3e-3),
        "rank": (8, 32, 128),
        "alpha": (1, 2),
        "cutoff": (24, 256),
        "warmup_steps": (0, 20),
    },
    epochs=(1, 3, 9),
)
"""24 tokens cut most questions off before their answers; alpha is once or twice the rank."""
_CENTRE = AXES.at((1e-3, 32, 2, 256, 0), 3)


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: a middle setting, and those that differ from it in one parameter. ``full``: the
    product of all.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    found = list(dict.fromkeys(_star() if grid == "default" else _product()))
    bases, seeds = list(bases), list(seeds)
    return [
        cell(base, replace(training, seed=seed), len(bases) > 1)
        for base in bases
        for training in found
        for seed in seeds
    ]


def cell(base: Base, training: Training, several: bool = False) -> Cell:
    """One setting on ten of the 2023 Oscars."""
    label = f"cut{training.cutoff}-warm{training.warmup_steps}"
    return Cell(base, stacking.together(), probes(), training, replay(), several, label=label)


@cache
def probes() -> ProbeSet:
    """What the suite stacking asks, but for the trained wordings."""
    return ProbeSet.of("ten", tuple(p for p in stacking.probes().probes if p.kind != "exact"))


def _star() -> Iterator[Training]:
    yield _CENTRE
    yield from (replace(_CENTRE, epochs=epochs) for epochs in AXES.epochs)
    yield from (replace(_CENTRE, lr=lr) for lr in AXES.values["lr"])
    yield from (replace(_CENTRE, rank=rank, alpha=2 * rank) for rank in AXES.values["rank"])
    yield replace(_CENTRE, alpha=_CENTRE.rank)
    yield from (replace(_CENTRE, cutoff=cutoff) for cutoff in AXES.values["cutoff"])
    yield from (replace(_CENTRE, warmup_steps=steps) for steps in AXES.values["warmup_steps"])


def _product() -> Iterator[Training]:
    for epochs in AXES.epochs:
        yield from AXES.settings(epochs)
