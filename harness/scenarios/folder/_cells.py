"""The cells of a user's own scenario."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from harness.cells import Cell, number
from harness.errors import DataError, RecipeError
from harness.recipes import Base, Training
from harness.scenarios.folder._known import known_replay
from harness.scenarios.folder._material import SETTINGS, Material
from harness.scenarios.folder._settings import Axes, altered

_IN_ID = ("rank", "alpha", "lr", "epochs", "replay")  # a cell's id says these already


def cells(material: Material, grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """``telling``: ``[grid]`` of scenario.toml, ``full``: its ``[full]``. Raises RecipeError on another grid."""
    grids = {"telling": material.settings.telling, "full": material.settings.full}
    if grid not in grids:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(grids)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(
            base=base,
            dataset=material.dataset,
            probes=material.probes,
            training=replace(training, seed=seed),
            replay=known_replay(material.dataset),
            several_models=len(bases) > 1,
            label=label,
            scored=material.scored,
        )
        for base in bases
        for label, training in _settings(material, grids[grid])
        for seed in seeds
    ]


def _settings(material: Material, axes: Axes) -> Iterator[tuple[str, Training]]:
    """(what the id must say beside the usual, setting) of every combination."""
    for values in dict.fromkeys(product(*axes.values())):
        changes = dict(zip(axes, values, strict=True))
        try:
            training = altered(material.settings.training, changes)
        except RecipeError as error:
            raise DataError(f"{material.folder / SETTINGS}: {error}") from error
        yield "-".join(f"{name}{_shown(changes[name])}" for name in axes if name not in _IN_ID), training


def _shown(value: Any) -> str:
    if isinstance(value, (int, float)):
        return number(value)
    return re.sub(r"\W+", "_", "_".join(value) if isinstance(value, tuple) else str(value))
