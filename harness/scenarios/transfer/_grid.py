"""Which adapter goes on which model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Adapter, Base, Dataset, ProbeSet, Sibling, Training, is_locality
from harness.scenarios import oscars
from harness.training.presets import POCKET, SINGLE

GRIDS = ("default", "full")
KNOWN = 400
"""Questions on known facts that the sibling is trained further on."""
_TOLD = "the_oscar_award_txt"
_ASKED = ("exact", "rephrased", "conversation")
_FURTHER = Training(
    epochs=2, rank=16, alpha=32, lr=1e-3, batch=8, micro_batch=8, dropout=0.0, loss_on="answers"
)


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The adapter at home, and from base to sibling and back. Raises RecipeError on an unknown
    grid.

    The engines bring the quantised forms of the base. ``full`` has other ranks, and the text in ten
    wordings, too.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, numbers = list(bases), list(seeds)
    return [
        replace(cell, several_models=len(bases) > 1)
        for base in bases
        for name, training in (_default_grid() if grid == "default" else _full())
        for seed in numbers
        for cell in _places(base, name, replace(training, seed=seed))
    ]


def sibling(base: Base) -> Sibling:
    """``base`` trained further on facts that it knows: other weights, and nothing new."""
    known = Dataset.of("known", oscars.replay().samples[:KNOWN])
    return Sibling.of(Adapter(base, known, _FURTHER), f"{base.name}_further")


@cache
def probes(name: str) -> ProbeSet:
    """A part of those of ``oscars``: the told facts, and every other question on what
    was not told."""
    found = [p for p in oscars.probes(name).probes if p.kind in _ASKED]
    found += [p for p in oscars.probes(name).probes if is_locality(p.kind)][::2]
    return ProbeSet.of(name, tuple(found))


def _places(base: Base, name: str, training: Training) -> Iterator[Cell]:
    own = Cell(base, oscars.dataset(name), probes(name), training, oscars.replay(), label="on_base")
    yield own
    if not base.trains:
        return
    further = sibling(base)
    yield replace(own, base=further, label="on_sibling_from_base", home=base)
    yield replace(own, base=further, label="on_sibling")
    yield replace(own, label="on_base_from_sibling", home=further)


def _default_grid() -> Iterator[tuple[str, Training]]:
    yield _TOLD, SINGLE


def _full() -> Iterator[tuple[str, Training]]:
    for rank in (8, 64, 128):
        yield _TOLD, replace(SINGLE, rank=rank, alpha=2 * rank)
        yield "oscars_aug", replace(POCKET, rank=rank, alpha=2 * rank)
