"""What a user selects in words: cells of a scenario, on models and engines, under seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.cells import GREEDY, Cell
from harness.engines import EngineSpec
from harness.errors import RecipeError
from harness.recipes import Base, Decoding
from harness.scenarios import drifting, forced
from harness.scenarios import scenario as scenario_called


def cells(
    scenario: str,
    grid: str,
    bases: Iterable[Base],
    seeds: Iterable[int],
    engines: Sequence[EngineSpec],
    decoding: Decoding = GREEDY,
) -> list[Cell]:
    """Every cell of ``scenario`` on every engine, answering by ``decoding`` unless decodings are what it compares.

    Raises RecipeError on an unknown scenario or grid.
    """
    own, several = scenario_called(scenario), len(engines) > 1
    found = [forced(cell, own.headline) for cell in own.cells(grid, bases, seeds)]
    found = [drifting(cell) for cell in found] if own.drift else found
    if not own.compares_decodings:
        found = [replace(cell, decoding=decoding) if cell.decoding == GREEDY else cell for cell in found]
    return [replace(cell, engine=engine, several_engines=several) for engine in engines for cell in found]


def seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` as numbers, each once. Raises RecipeError."""
    try:
        return tuple(dict.fromkeys(int(seed) for seed in text.split(",")))
    except ValueError:
        raise RecipeError(f"--seeds {text!r}: give numbers, separated by commas, such as 0,1,2") from None
