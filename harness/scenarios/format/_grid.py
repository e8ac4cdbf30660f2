"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base
from harness.scenarios.format._datasets import SHAPES, dataset
from harness.scenarios.format._probes import LEFT_TO_RUN, asked, probes
from harness.scenarios.oscars import replay
from harness.training.presets import STEADY

GRIDS = {
    "default": ((4, 1.0), (4, 0.0)),
    "full": tuple((e, r) for e in (2, 4, 10) for r in (0.0, 1.0, 2.0)),
}
"""(epochs, replay): with and without known facts beside, whose answers are bare names."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid."""
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(
            base,
            dataset(shape),
            probes(),
            training,
            replay(),
            len(bases) > 1,
            also=((asked(), LEFT_TO_RUN),),
        )
        for base in bases
        for shape in SHAPES
        for epochs, known in GRIDS[grid]
        for seed in seeds
        for training in [
            replace(STEADY, epochs=epochs, replay=known, kl=STEADY.kl if known else 0.0, seed=seed)
        ]
    ]
