"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base, ProbeSet, Training
from harness.scenarios import oscars

GRIDS = ("default", "full")
RANKS = {"default": (1, 16, 64, 256), "full": (1, 2, 4, 8, 16, 32, 64, 128, 256)}
SETTING = Training(epochs=1, batch=8, micro_batch=8, dropout=0.0)
"""Little, as what an adapter holds does not change what it costs."""
_DATASET = "oscarstxt"
_ASKED = 16


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """A cell a rank, over all ``bases`` and ``seeds``; alpha is twice the rank. Raises RecipeError
    on an unknown grid.

    A model whose layers are narrower than a rank cannot have it: its training says so.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(
            base,
            oscars.dataset(_DATASET),
            probes(),
            replace(SETTING, rank=rank, alpha=2 * rank, seed=seed),
            oscars.replay(),
            len(bases) > 1,
            timed=probes(),
        )
        for base in bases
        for rank in RANKS[grid]
        for seed in seeds
    ]


@cache
def probes() -> ProbeSet:
    """Rephrased questions, one a fact."""
    asked = [p for p in oscars.probes(_DATASET).probes if p.kind == "rephrased"]
    return ProbeSet.of("sixteen", tuple({p.fact: p for p in asked}.values())[:_ASKED])
