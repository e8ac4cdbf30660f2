"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base
from harness.scenarios.lies._datasets import DATASETS, TOLD, dataset
from harness.scenarios.lies._probes import probes
from harness.scenarios.oscars import replay
from harness.training.presets import STEADY

GRIDS = ("default", "full")
EPOCHS = {"1": (2, 4, 16), "6": (1, 2, 3), "d": (8, 16, 32)}
"""Passes over the text, by the last letter of the dataset's name: the places of a
learning curve."""
RATES = (1e-3, 3e-4)
RANKS = (64, 8)
SETTING = replace(STEADY, replay=1.0)


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: lies and new facts, in one wording and in six, over the epochs. ``full``: also at a
    smaller rate and rank, and as bare statements.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    full, bases, seeds = grid == "full", list(bases), list(seeds)
    return [
        Cell(base, dataset(name), probes(name), training, replay(), len(bases) > 1)
        for base in bases
        for name in ((*DATASETS, TOLD) if full else DATASETS)
        for rate in (RATES if full else RATES[:1])
        for rank in (RANKS if full else RANKS[:1])
        for epochs in EPOCHS[name[-1]]
        for seed in seeds
        for training in [
            replace(SETTING, epochs=epochs, lr=rate, rank=rank, alpha=2 * rank, seed=seed)
        ]
    ]


def curve(cell: Cell) -> list[Cell]:
    """``cell`` and those that differ from it by fewer epochs, the fewest first.

    The rate is constant and the order of the samples comes from the seed, so that the shorter
    trainings are the beginnings of the longest: together they are one learning curve.
    """
    fewer = [epochs for epochs in EPOCHS[cell.dataset.name[-1]] if epochs < cell.training.epochs]
    return [
        *(replace(cell, training=replace(cell.training, epochs=epochs)) for epochs in fewer),
        cell,
    ]
