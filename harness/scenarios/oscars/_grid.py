"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base, Training
from harness.scenarios.oscars._datasets import DATASETS, TEN, dataset, replay
from harness.scenarios.oscars._probes import probes
from harness.training.presets import POCKET, SEED2023, SINGLE, STEADY

RANKS = (8, 16, 32, 64, 128)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
EPOCHS = (1, 3, 10, 30)
GRIDS = ("default", "full")


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: for each dataset the best setting, the setting of 2023, a small rank, too little
    and too much; of ten facts the best setting alone. ``full``: every rank, rate and number of
    epochs.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases = list(bases)
    return [
        Cell(
            base,
            dataset(name),
            probes(name),
            replace(training, seed=seed),
            replay(),
            len(bases) > 1,
        )
        for base in bases
        for name in DATASETS
        for training in dict.fromkeys(_default_grid(name) if grid == "default" else _full())
        for seed in seeds
    ]


def _default_grid(name: str) -> Iterator[Training]:
    best = POCKET if name in ("oscars_aug", TEN) else SINGLE
    yield best
    if name == TEN:
        return
    yield SEED2023
    yield _ranked(best, 8)
    yield replace(best, lr=1e-2, replay=0.0, kl=0.0)


def _full() -> Iterator[Training]:
    for rank in RANKS:
        for lr in RATES:
            for epochs in EPOCHS:
                yield replace(_ranked(STEADY, rank), lr=lr, epochs=epochs)


def _ranked(training: Training, rank: int) -> Training:
    """At another rank; alpha stays twice the rank, as in the study of 2023."""
    return replace(training, rank=rank, alpha=2 * rank)
