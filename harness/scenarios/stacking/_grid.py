"""Which cells the suite runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from harness.errors import RecipeError
from harness.experiments.cells import AdapterSpec, Cell, MergedSpec
from harness.recipes import Base, Dataset, Training
from harness.scenarios.oscars import replay
from harness.scenarios.stacking._datasets import elsewhere, facts, one, probes, questions, together
from harness.training.presets import STEADY

GRIDS = ("default", "full")
TOGETHER = replace(STEADY, replay=1.0)
"""One adapter of ten facts."""
APART = replace(
    STEADY, init="contrastive", target_modules=("down_proj",), rank=48, alpha=48, lr=0.03,
    scheduler="linear",
    batch=40, micro_batch=40, epochs=80, replay=3.0, kl=2.0,
)  # fmt: skip
"""Each of ten adapters of one fact: written where its questions differ from others, and held to the
base on those."""
USUAL = replace(STEADY, replay=2.0, rank=16, alpha=32, epochs=8)
"""The same as adapters are usually trained: on all layers, from random directions."""
TOLD = "one_adapter"
"""The label of the cell that the others are held against."""
MERGES: Mapping[str, Mapping[str, float]] = {
    "mean": {},
    "linear": {},
    "svd": {"rank": 64},
    "ties": {"density": 0.2},
    "dare_linear": {"density": 0.5},
    "dare_ties": {"density": 0.5},
    "magnitude_prune": {"density": 0.2},
}
_DEFAULT = ("mean", "linear", "svd", "ties", "dare_linear", "magnitude_prune")


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: one adapter of ten facts; ten adapters of one fact each, on at once, at half their
    scale, merged by each method, and trained as is usual. ``full``: also fewer adapters, other
    trainings of each, and each trained on top of the others.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, seeds = list(bases), list(seeds)
    return [
        cell for base in bases for seed in seeds for cell in _of(grid, base, seed, len(bases) > 1)
    ]


def reference(cell: Cell) -> Cell:
    """One adapter of ten facts on the model, engine and seed of ``cell``."""
    training = replace(TOGETHER, seed=cell.training.seed)
    return replace(cell, training=training, label=TOLD, stacked=(), apart=None)


def _of(grid: str, base: Base, seed: int, several: bool) -> Iterator[Cell]:
    cell = partial(Cell, base, together(), probes(), replay=replay(), several_models=several)
    yield cell(training=replace(TOGETHER, seed=seed), label=TOLD)
    stack = partial(_stack, cell, seed)
    layers = _apart(APART, seed)
    yield stack("sum", layers, asked_apart=True)
    yield stack("half", tuple(replace(layer, scale=0.5) for layer in layers))
    for method, settings in MERGES.items():
        if grid == "full" or method in _DEFAULT:
            yield stack(method, (_merged(layers, method, settings),))
    yield stack("usual", _usual(seed), asked_apart=True)
    if grid == "full":
        yield from _more(stack, seed, layers)


def _more(stack: partial[Cell], seed: int, layers: tuple[AdapterSpec, ...]) -> Iterator[Cell]:
    for count in (2, 5):
        yield stack(f"first{count}", layers[:count], asked_apart=True)
    yield stack(
        "anywhere", _apart(replace(APART, init="kaiming", lr=USUAL.lr), seed), asked_apart=True
    )
    yield stack("no_replay", _usual(seed, replay=0.0, kl=0.0), asked_apart=True)
    yield stack("low_alpha", _usual(seed, alpha=16, epochs=16))
    yield stack("orthogonal", _usual(seed, init="orthogonal"))
    yield stack("rslora", _usual(seed, alpha=8, rslora=True))
    yield stack("more_replay", _usual(seed, replay=6.0))
    usual = _usual(seed)
    yield stack(
        "same_seed",
        tuple(replace(layer, training=replace(layer.training, seed=seed)) for layer in usual),
    )
    yield stack("on_top", on_top(usual), asked_apart=True)
    yield stack("keys_on_top", on_top(layers), asked_apart=True)


def _stack(
    cell: partial[Cell],
    seed: int,
    label: str,
    stacked: tuple[AdapterSpec | MergedSpec, ...],
    asked_apart: bool = False,
) -> Cell:
    """The cell's own training is that of each adapter, under the seed of them all."""
    first = stacked[0].layers[0] if isinstance(stacked[0], MergedSpec) else stacked[0]
    training = replace(first.training, seed=seed)
    return cell(
        training=training, label=label, stacked=stacked, apart=questions() if asked_apart else None
    )


def _apart(
    training: Training, seed: int, beside: Callable[[str], Dataset] = elsewhere
) -> tuple[AdapterSpec, ...]:
    """An adapter a fact; each begins from weights of its own, or all would write into the same
    directions."""
    seeds = range(1000 * seed, 1000 * seed + len(facts()))
    return tuple(
        AdapterSpec(one(fact), replace(training, seed=own), beside(fact))
        for fact, own in zip(facts(), seeds, strict=True)
    )


def _usual(seed: int, **changes: Any) -> tuple[AdapterSpec, ...]:
    """The same as ``USUAL`` with ``changes`` has them, beside known facts alone."""
    return _apart(replace(USUAL, **changes), seed, lambda fact: replay())


def on_top(layers: Iterable[AdapterSpec]) -> tuple[AdapterSpec, ...]:
    """Each layer trained while those before it are on."""
    laid: tuple[AdapterSpec, ...] = ()
    for layer in layers:
        laid = (*laid, replace(layer, frozen=laid))
    return laid


def _merged(
    layers: tuple[AdapterSpec, ...], method: str, settings: Mapping[str, float]
) -> MergedSpec:
    return MergedSpec(
        layers, method, float(settings.get("density", 0.5)), int(settings.get("rank", 0))
    )
