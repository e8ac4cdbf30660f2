"""Which ways to generate the suite compares, all on one adapter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

from harness.engines import DECODINGS, described
from harness.errors import RecipeError
from harness.experiments.cells import Cell, number
from harness.recipes import Base, Decoding, ProbeSet
from harness.scenarios import oscars
from harness.training.presets import POCKET

GRIDS = ("default", "full")
DATASET = "oscars_aug"
SAMPLES = 4
"""Answers to a question, where they are sampled."""
ASKED = {"exact": 1, "rephrased": 2, "other_format": 1}
"""Probes a fact, by kind."""
LOCAL = {"locality_year": 8, "locality_unrelated": 8}
"""Probes in all, by kind."""
GREEDY = Decoding()
SAMPLED = Decoding(do_sample=True, num_return_sequences=SAMPLES)
WORDS = ("Everything",)
"""A word of several right answers: forbidden, they cannot be given."""

_ALONE: dict[str, tuple[Any, ...]] = {
    "temperature": (0.3, 1.0, 2.0),
    "top_k": (5,),
    "top_p": (0.5,),
    "repetition_penalty": (1.5,),
    "no_repeat_ngram_size": (2,),
    "max_new_tokens": (3,),
    "bad_words": (WORDS,),
}
_MORE: dict[str, tuple[Any, ...]] = {
    "temperature": (0.1, 0.7, 1.5),
    "top_k": (1, 40),
    "top_p": (0.1, 0.9),
    "min_p": (0.1,),
    "typical_p": (0.5,),
    "repetition_penalty": (1.1, 1.176, 2.0),
    "no_repeat_ngram_size": (1, 3),
    "max_new_tokens": (1, 10, 20),
    "num_return_sequences": (16,),
    "eos": (".",),
    "pad": ("</s>",),
}
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "num_return_sequences")


def cells(grid: str, bases: Iterable[Base], seeds: Iterable[int]) -> list[Cell]:
    """The cells of ``grid``, over all ``bases`` and ``seeds``. Raises RecipeError on an unknown
    grid.

    ``default``: the named presets, then one field at a time, of sampling beside plain sampling, of
    the rest beside the greedy search. ``full``: more values, beams by length and ending, and the
    product of the three ways to cut the tail.
    """
    if grid not in GRIDS:
        raise RecipeError(f"grid {grid!r} is unknown: choose one of {', '.join(GRIDS)}")
    bases, ways = list(bases), dict(_default_grid() if grid == "default" else _full())
    return [
        Cell(
            base,
            oscars.dataset(DATASET),
            probes(),
            training,
            oscars.replay(),
            len(bases) > 1,
            label=label,
            decoding=by,
        )
        for base in bases
        for label, by in ways.items()
        for seed in seeds
        for training in [replace(POCKET, seed=seed)]
    ]


@cache
def probes() -> ProbeSet:
    """Some of the suite `oscars`: each kind of question on every fact, and some on what is left
    alone."""
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for probe in oscars.probes(DATASET).probes:
        key = (probe.kind, probe.fact if probe.kind in ASKED else "")
        if seen[key] < ASKED.get(probe.kind, LOCAL.get(probe.kind, 0)):
            chosen.append(probe)
        seen[key] += 1
    return ProbeSet.of("presets", tuple(chosen))


def _default_grid() -> Iterator[tuple[str, Decoding]]:
    yield from _named()
    yield from _alone(_ALONE)


def _full() -> Iterator[tuple[str, Decoding]]:
    yield from _default_grid()
    yield from _alone(_MORE)
    endings: tuple[bool | str, ...] = (False, True, "never")
    for beams, length, early in product((2, 5, 10), (0.0, 1.0, 2.0), endings):
        by = Decoding(num_beams=beams, length_penalty=length, early_stopping=early)
        yield f"num_beams{beams}_length_penalty{number(length)}_early_{str(early).lower()}", by
    for temperature, top_k, top_p in product((0.3, 0.7, 1.0, 1.5), (0, 5, 40), (0.1, 0.5, 1.0)):
        label = f"temperature{number(temperature)}_top_k{top_k}_top_p{number(top_p)}"
        yield label, replace(SAMPLED, temperature=temperature, top_k=top_k, top_p=top_p)


def _named() -> Iterator[tuple[str, Decoding]]:
    """Every preset once, by its first name; sampled ones answer several times."""
    seen: set[str] = set()
    for name, by in DECODINGS.items():
        if described(by) not in seen:
            seen.add(described(by))
            yield name, replace(by, num_return_sequences=SAMPLES) if by.do_sample else by


def _alone(values: dict[str, tuple[Any, ...]]) -> Iterator[tuple[str, Decoding]]:
    for name, each in values.items():
        for value in each:
            changed: dict[str, Any] = {name: value}
            yield _label(name, value), replace(SAMPLED if name in _SAMPLING else GREEDY, **changed)


def _label(name: str, value: object) -> str:
    """Letters, digits and ``_`` only, as it becomes part of an id."""
    return f"{name}{number(value)}" if isinstance(value, (int, float)) else name
