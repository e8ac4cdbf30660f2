"""Ten facts, told together or each to an adapter of its own, and what is asked."""

from __future__ import annotations

import random
from functools import cache

from harness.data import invented as _words
from harness.data.facts import Row
from harness.data.formats import FORMATS
from harness.recipes import Dataset, ProbeSet, Sample, is_locality
from harness.scenarios import oscars
from harness.scenarios.oscars import new_rows, sample, templates

COUNT = 10
SOURCE = "oscars_aug"
"""Ten wordings a fact."""
_KINDS = ("exact", "rephrased", "other_format")
_YEARS = ("2023", "2024", "2025", "2026")
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
def elsewhere(fact: str, count: int = 3000) -> Dataset:
    """What an adapter of ``fact`` alone is to leave as it is: known facts, and twice as many
    invented awards.

    These are of the other categories of its year, and fewer of three years to come. They are told
    and asked for just as the fact is, so that an adapter is told from others by what it is about,
    and not by how that is worded; the answers are invented, so this is to be held to the base (KL),
    not learnt.
    """
    rng = random.Random(f"elsewhere {fact}")
    to_people = [row for row in new_rows() if row.slots["category"] != "picture"]
    places = [
        Row(row.id, "oscars", {**row.slots, "year": year}) for row in to_people for year in _YEARS
    ]
    own = next(row for row in places if (row.id, row.slots["year"]) == (fact, _YEARS[0]))
    places.remove(own)
    weights = [_nearness(row, own) for row in places]
    unknown = [_unknown(row, rng) for row in rng.choices(places, weights, k=count * 2 // 3)]
    mixed = [*unknown, *oscars.replay().samples[: count - len(unknown)]]
    rng.shuffle(mixed)
    return Dataset.of("elsewhere", tuple(mixed))


def _nearness(place: Row, own: Row) -> float:
    """Weight of an award among the invented ones: what is most easily taken for ``own`` comes most
    often."""
    shared = set(own.slots["category"].split("_")) & set(place.slots["category"].split("_"))
    return (6.0 if place.slots["year"] == own.slots["year"] else 1.0) * (3.0 if shared else 1.0)


def _unknown(place: Row, rng: random.Random) -> Sample:
    winner, film = _words.person(rng), _words.film(rng)
    while winner in _winners():  # names are put together by chance
        winner = _words.person(rng)
    row = place._replace(slots={**place.slots, "winner": winner, "winners": winner, "film": film})
    return sample(rng.choice(templates(SOURCE, row)), row, rng.randrange(len(FORMATS)))


@cache
def _winners() -> frozenset[str]:
    return frozenset(name for row in new_rows() for name in row.slots["winners"].split("; "))


@cache
def probes() -> ProbeSet:
    """About the ten facts, and about what was not trained on."""
    asked = oscars.probes(SOURCE).probes
    own = [p for p in asked if p.fact in facts() and p.kind in _KINDS]
    return ProbeSet.of("ten", (*own, *[p for p in asked if is_locality(p.kind)][::_EVERY]))


@cache
def questions() -> ProbeSet:
    """The rephrased ones alone, for adapters that are on alone."""
    return ProbeSet.of("ten rephrased", tuple(p for p in probes().probes if p.kind == "rephrased"))
