"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base
from harness.scenarios.oscars import replay
from harness.scenarios.story._datasets import FORMS, dataset
from harness.scenarios.story._probes import probes
from harness.training.presets import STEADY

EPOCHS: dict[str, tuple[int, ...]] = {
    "plain": (30,),
    "numbered": (30,),
    "dated": (30,),
    "plain_asked": (5,),
}
"""Where there are questions, an epoch has many more samples."""
GRIDS: dict[str, dict[str, tuple[int, ...]]] = {
    "default": EPOCHS,
    "full": dict.fromkeys(FORMS, (5, 10, 30, 100)),
}
SETTING = replace(STEADY, replay=1.0, cutoff=1024, batch=2, micro_batch=2)
"""A story is one sample, so that its beginning is in context when its end is learnt; one with one
of what is known."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid."""
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(base, dataset(form), probes(form), training, replay(), len(bases) > 1)
        for base in bases
        for form in FORMS
        for epochs in GRIDS[grid][form]
        for seed in seeds
        for training in [replace(SETTING, epochs=epochs, seed=seed)]
    ]
