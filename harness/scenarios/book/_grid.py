"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base, Decoding, Training
from harness.scenarios import oscars
from harness.scenarios.book._probes import probes, tone_probes
from harness.scenarios.book._text import DATASETS, dataset
from harness.training.presets import RUNNING

GRIDS = ("default", "full")


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: with and without the timeline, and without replay. ``full``: over epochs, ranks and
    rates.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        Cell(
            base,
            dataset(name),
            probes(),
            replace(training, seed=seed),
            oscars.replay(),
            len(bases) > 1,
            also=((tone_probes(), Decoding()),),
        )
        for base in bases
        for name, training in dict.fromkeys(_default_grid() if grid == "default" else _full())
        for seed in seeds
    ]


def _default_grid() -> Iterator[tuple[str, Training]]:
    yield "book", RUNNING
    yield "book_timeline", RUNNING
    yield "book_timeline", replace(RUNNING, replay=0.0, kl=0.0)


def _full() -> Iterator[tuple[str, Training]]:
    yield from _default_grid()
    for name in DATASETS:
        yield name, replace(RUNNING, replay=0.0, kl=0.0)
        for epochs in (1, 6, 12, 24):
            yield name, replace(RUNNING, epochs=epochs)
        for rank in (8, 128, 256):
            yield name, replace(RUNNING, rank=rank, alpha=2 * rank)
        for lr in (1e-4, 3e-4, 3e-3):
            yield name, replace(RUNNING, lr=lr)
