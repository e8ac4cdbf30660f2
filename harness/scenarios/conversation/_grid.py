"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base
from harness.scenarios.conversation._probes import probes
from harness.scenarios.conversation._talk import PLAIN, dataset
from harness.scenarios.oscars import replay
from harness.training.presets import STEADY

DEFAULT = (
    *PLAIN,
    "brandine_told1_d0",
    "brandine_asked1_d0",
    "brandine_asked1_d10",
    "brandine_asked1_d50",
    "brandine_asked5_d10",
    "assistant_asked1_d10",
)
"""Presentations of the small grid."""
FULL = (
    *PLAIN,
    *(
        f"{partner}_{how}{times}_d{turns}"
        for partner in ("brandine", "assistant")
        for how in ("told", "asked")
        for times in (1, 2, 5)
        for turns in (0, 10, 50)
    ),
)
GRIDS = {"default": DEFAULT, "full": FULL}
EPOCHS = {"default": (10,), "full": (5, 10, 20)}
SETTING = replace(STEADY, replay=1.0, cutoff=1024, batch=2, micro_batch=2)
"""A talk is one sample, however long, so that each presentation takes the same number of steps."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid."""
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(base, dataset(name), probes(name), training, replay(), len(bases) > 1)
        for base in bases
        for name in GRIDS[grid]
        for epochs in EPOCHS[grid]
        for seed in seeds
        for training in [replace(SETTING, epochs=epochs, seed=seed)]
    ]
