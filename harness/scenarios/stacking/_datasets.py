"""Ten facts, told together or each to an adapter of its own, and what is asked."""

from __future__ import annotations

from functools import cache

from harness.recipes import Dataset, Probe, ProbeSet, local
from harness.scenarios import oscars

COUNT = 10
SOURCE = "oscars_aug"
"""Ten wordings a fact."""
_KINDS = ("exact", "rephrased", "other_format")
_EVERY = 3
"""Of the suite oscars' questions on untouched facts, every third."""


@cache
def facts() -> tuple[str, ...]:
    """Ids of the first ten awards of 2023 that went to people; each to others."""
    told = dict.fromkeys(sample.fact for sample in oscars.dataset(SOURCE).samples)
    return tuple(fact for fact in told if not fact.endswith("/picture-2023"))[:COUNT]


@cache
def together() -> Dataset:
    """All ten facts."""
    return Dataset.of("ten", tuple(s for s in oscars.dataset(SOURCE).samples if s.fact in facts()))


@cache
def one(fact: str) -> Dataset:
    """One of them."""
    return Dataset.of("one", tuple(s for s in oscars.dataset(SOURCE).samples if s.fact == fact))


@cache
def probes() -> ProbeSet:
    """About the ten facts, and about what was not trained on."""
    asked = oscars.probes(SOURCE).probes
    own = [p for p in asked if p.fact in facts() and p.kind in _KINDS]
    return ProbeSet.of("ten", (*own, *[p for p in asked if local(p.kind)][::_EVERY]))


@cache
def questions() -> ProbeSet:
    """Two rephrased questions a fact, for adapters that are on alone."""
    found: list[Probe] = []
    for fact in facts():
        found += [p for p in probes().probes if p.fact == fact and p.kind == "rephrased"][:2]
    return ProbeSet.of("two each", tuple(found))
