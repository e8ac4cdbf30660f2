"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base, Training
from harness.scenarios import oscars
from harness.scenarios.bias._texts import SIDES, SIZES, choices, dataset, probes

GRIDS = ("default", "full")
SIZE = 4
SETTING = Training(
    batch=1, micro_batch=1, epochs=4, rank=8, alpha=16, lr=1e-3, dropout=0.0, loss_on="answers"
)
"""One statement a step, so that steps count statements."""
EPOCHS = (1, 2, 4, 8)
RATES = (1e-4, 3e-4, 1e-3)


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: for each side the setting with one of epochs, number of statements and rate changed
    at a time. ``full``: all their combinations, with ranks.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    points = dict.fromkeys(_default_grid() if grid == "default" else _full())
    return [
        Cell(
            base,
            dataset(f"for_{side}{size}"),
            probes(f"for_{side}{size}"),
            replace(training, seed=seed),
            oscars.replay(),
            len(bases) > 1,
            scored=choices(),
        )
        for base in bases
        for side in SIDES
        for size, training in points
        for seed in seeds
    ]


def _default_grid() -> Iterator[tuple[int, Training]]:
    for epochs in EPOCHS:
        yield SIZE, replace(SETTING, epochs=epochs)
    for size in SIZES:
        yield size, SETTING
    for lr in RATES:
        yield SIZE, replace(SETTING, lr=lr)


def _full() -> Iterator[tuple[int, Training]]:
    yield from _default_grid()
    for size, epochs, lr, rank in product(SIZES, EPOCHS, RATES, (1, 8, 64)):
        yield size, replace(SETTING, epochs=epochs, lr=lr, rank=rank, alpha=2 * rank)
