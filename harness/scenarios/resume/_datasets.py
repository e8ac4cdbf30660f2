"""The Oscars of 2023 in two halves, and what is asked of each."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from harness.recipes import Dataset, ProbeSet, Sample, is_locality
from harness.scenarios import oscars

HALVES = ("first", "second")
COUNT = 6
"""Facts in each half."""
SOURCE = "oscars_aug"
"""Ten wordings a fact."""
_EVERY = 3
"""Of the suite oscars' questions on untouched facts, every third."""


@cache
def facts(name: str) -> tuple[str, ...]:
    """Ids of the facts of a half: every other award, so that the halves are alike."""
    told = list(dict.fromkeys(sample.fact for sample in oscars.dataset(SOURCE).samples))
    return tuple(told[HALVES.index(name) :: 2][:COUNT])


@cache
def half(name: str) -> Dataset:
    """``first`` or ``second``."""
    return Dataset.of(name, _told(name))


@cache
def both() -> Dataset:
    """The two as one text."""
    return Dataset.of("both", (*_told("first"), *_told("second")))


@cache
def rehearsed(name: str, other: str, share: float, seed: int = 0) -> Dataset:
    """The half ``name`` with ``share`` of the samples of the ``other``, drawn by ``seed``."""
    again = random.Random(seed).sample(_told(other), round(share * len(_told(other))))
    return Dataset.of(name, (*_told(name), *again))


@cache
def probes() -> ProbeSet:
    """Rephrased questions, by half (the kinds ``first`` and ``second``), and questions on untouched
    facts."""
    asked = oscars.probes(SOURCE).probes
    rephrased = [p for p in asked if p.kind == "rephrased"]
    own = [replace(p, kind=name) for name in HALVES for p in rephrased if p.fact in facts(name)]
    return ProbeSet.of("halves", (*own, *[p for p in asked if is_locality(p.kind)][::_EVERY]))


def _told(name: str) -> tuple[Sample, ...]:
    return tuple(s for s in oscars.dataset(SOURCE).samples if s.fact in facts(name))
