"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base
from harness.scenarios.parody._datasets import DATASETS, dataset, known
from harness.scenarios.parody._probes import probes
from harness.training.presets import STEADY

GRIDS = ("default", "full")
EPOCHS = {
    "default": {"parody_text": (20,), "parody_aug": (1, 2, 5)},
    "full": {"parody_text": (5, 20, 60), "parody_aug": (1, 2, 5, 10)},
}
RATES = {"default": (1e-3,), "full": (1e-3, 3e-4)}


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid."""
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(base, dataset(name), probes(), training, known(), len(bases) > 1)
        for base in bases
        for name in DATASETS
        for lr in RATES[grid]
        for epochs in EPOCHS[grid][name]
        for seed in seeds
        for training in [replace(STEADY, replay=1.0, lr=lr, epochs=epochs, seed=seed)]
    ]
