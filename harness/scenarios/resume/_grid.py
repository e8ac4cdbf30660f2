"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from harness.errors import RecipeError
from harness.experiments.cells import AdapterSpec, Cell, number
from harness.recipes import Base, Dataset
from harness.scenarios.oscars import replay
from harness.scenarios.resume._datasets import HALVES, both, half, probes, rehearsed
from harness.training.presets import STEADY

GRIDS = ("default", "full")
SETTING = replace(STEADY, replay=1.0)
SHARES = {"default": (0.25,), "full": (0.1, 0.25, 0.5, 1.0)}
"""Of the first text, told again with the second."""
RATES = {"default": (3e-4,), "full": (1e-4, 3e-4)}
"""Of the second training, beside that of the first."""
BEFORE = "before"
"""The label of the cell that retention is measured from."""


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: the first text alone; then the second on the same adapter, with the first
    rehearsed, and at a lower rate; the other order; both texts as one; two adapters, one a text.
    ``full``: more shares and rates, in both orders.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        cell for base in bases for seed in seeds for cell in _of(grid, base, seed, len(bases) > 1)
    ]


def before(cell: Cell) -> Cell:
    """The cell whose adapter ``cell`` went on from, or would have: only the earlier text of its
    order."""
    name = cell.label.partition("_then_")[0]
    name = name if name in HALVES else HALVES[0]
    training = replace(SETTING, seed=cell.training.seed)
    return replace(cell, dataset=half(name), training=training, label=BEFORE, stacked=())


def _of(grid: str, base: Base, seed: int, several: bool) -> Iterator[Cell]:
    training = replace(SETTING, seed=seed)
    cell = partial(Cell, base, probes=probes(), replay=replay(), several_models=several)
    for name in HALVES:
        yield cell(dataset=half(name), training=training, label=BEFORE)
    for one, two in (HALVES, HALVES[::-1]):
        start = AdapterSpec(half(one), training, replay())
        then = partial(_then, cell, start, f"{one}_then_{two}")
        yield then(half(two), training.lr)
        if grid == "full" or one == "first":
            for share in SHARES[grid]:
                yield then(rehearsed(two, one, share, seed), training.lr, f"_again{number(share)}")
            for lr in RATES[grid]:
                yield then(half(two), lr)
    yield cell(dataset=both(), training=training, label="at_once")
    layers = tuple(
        AdapterSpec(half(n), replace(training, seed=1000 * seed + i), replay())
        for i, n in enumerate(HALVES)
    )
    yield cell(dataset=both(), training=training, label="stacked", stacked=layers)
    on_top = (layers[0], replace(layers[1], frozen=layers[:1]))
    yield cell(dataset=both(), training=training, label="on_top", stacked=on_top)


def _then(
    cell: partial[Cell], start: AdapterSpec, order: str, dataset: Dataset, lr: float, more: str = ""
) -> Cell:
    """The adapter of ``start`` trained on, under a seed of its own, or its batches would come in
    the same order."""
    training = replace(start.training, lr=lr)
    layer = AdapterSpec(
        dataset, replace(training, seed=1000 * training.seed + 1), start.replay, init_from=start
    )
    return cell(dataset=dataset, training=training, label=f"{order}{more}", stacked=(layer,))
