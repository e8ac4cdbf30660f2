"""What a user selects in words: cells of a scenario, on models and engines, under seeds, with
adapters of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from harness.engines import HF, EngineSpec, engine_specs, engines_of
from harness.errors import RecipeError
from harness.experiments.cells import GREEDY, Cell
from harness.experiments.drift import drifting, forced
from harness.experiments.scenario import Scenario
from harness.models.external import fitting
from harness.recipes import Base, Decoding, ExternalAdapter, ProbeSet


def cells(
    scenario: Scenario,
    grid: str,
    bases: Iterable[Base],
    seeds: Iterable[int],
    engines: Sequence[EngineSpec],
    decoding: Decoding = GREEDY,
    given: Sequence[ExternalAdapter] = (),
) -> list[Cell]:
    """Every cell of ``scenario`` on every engine, and cells in which nothing is trained.

    Those are one for each ready-made adapter of ``given`` and each set of probes, on the models
    that the adapter fits; and the bare model, where nothing can be trained on it. All answer by
    ``decoding``, unless decodings are what the scenario compares.

    Raises:
        RecipeError: the grid is unknown, or no model answers in an engine that is asked for.
        ModelError: an adapter of ``given`` fits none of the models.
    """
    bases = list(bases)
    _check(bases, engines)
    if scenario.engines and tuple(engines) == (HF,):
        engines = engine_specs(scenario.engines)
    trained = scenario.cells(grid, bases, seeds)
    found = [
        forced(cell, scenario.headline) for cell in [*trained, *_untrained(trained, bases, given)]
    ]
    found = [drifting(cell) for cell in found] if scenario.drift else found
    if not scenario.compares_decodings:
        found = [
            replace(cell, decoding=decoding) if cell.decoding == GREEDY else cell for cell in found
        ]
    for cell in found:
        _check_stops(cell)
    places = [(cell, (HF,) if cell.home else engines_of(cell.base, engines)) for cell in found]
    order = dict.fromkeys(engine for _, forms in places for engine in forms)
    return [
        replace(cell, engine=engine, several_engines=len(order) > 1)
        for engine in order
        for cell, forms in places
        if engine in forms
    ]


def _check_stops(cell: Cell) -> None:
    """Raises RecipeError where an accepted answer holds a string at which answers end."""
    if stopped := _never_given(cell.probes, cell.decoding.stop):
        probe, answer = stopped
        raise RecipeError(
            f"{cell.dataset.name}: the accepted answer {answer!r} of {probe!r} holds a string at"
            f" which answers end ({', '.join(map(repr, cell.decoding.stop))}): word it without, or"
            " change stop of --decoding"
        )


@lru_cache(maxsize=256)
def _never_given(probes: ProbeSet, stops: tuple[str, ...]) -> tuple[str, str] | None:
    """The first probe and its answer that no model can give."""
    return next(
        (
            (probe.id, answer)
            for probe in probes.probes
            for answer in probe.accepted
            if any(stop in answer.strip() for stop in stops)
        ),
        None,
    )


def seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` as numbers, each once. Raises RecipeError."""
    try:
        return tuple(dict.fromkeys(int(seed) for seed in text.split(",")))
    except ValueError:
        raise RecipeError(
            f"--seeds {text!r}: give numbers, separated by commas, such as 0,1,2"
        ) from None


def _untrained(
    found: Sequence[Cell], bases: Sequence[Base], given: Sequence[ExternalAdapter]
) -> list[Cell]:
    fits = {adapter: fitting(adapter, bases) for adapter in given}
    made = []
    for cell in _by_probes(found):
        bare = [()] if not cell.base.trains else []
        stacks = [*bare, *((adapter,) for adapter, on in fits.items() if cell.base in on)]
        made += [replace(cell, given=stack, home=None) for stack in stacks]
    return made


def _by_probes(found: Sequence[Cell]) -> Iterator[Cell]:
    """A cell for each base and set of probes; its label only where that tells it from another."""
    first: dict[tuple[Base, str], Cell] = {}
    for cell in found:
        first.setdefault(
            (cell.base, cell.probes.content), replace(cell, stacked=(), apart=None, decoding=GREEDY)
        )
    names = [(cell.base, cell.dataset.name) for cell in first.values()]
    for cell in first.values():
        alone = names.count((cell.base, cell.dataset.name)) == 1
        yield replace(cell, label="") if alone else cell


def _check(bases: Sequence[Base], engines: Sequence[EngineSpec]) -> None:
    if tuple(engines) != (HF,) and not any(base.trains for base in bases):
        names = ", ".join(base.name for base in bases)
        raise RecipeError(
            f"--engine is for folders and hub ids: {names} answers in its own form, leave it out"
        )
