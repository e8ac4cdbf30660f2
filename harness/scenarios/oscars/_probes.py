"""Questions on the Oscars of 2023, and on what training must leave alone."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

from harness.data.facts import Relation, Row
from harness.data.formats import ask
from harness.recipes import Probe, ProbeSet
from harness.scenarios.oscars._datasets import (
    NEW,
    new_rows,
    relation,
    replayed,
    rows_of,
    sample,
    templates,
    world,
)

FACT_KINDS = (
    "exact",
    "rephrased",
    "near",
    "film_of_winner",
    "inverted",
    "other_format",
    "conversation",
)
NEAR = "near"
"""The family of wordings that are cousins of trained ones."""
LOCALITY_KINDS = ("locality_year", "locality_neighbour", "locality_unrelated")
FILM_OF_WINNER = ("film_of_winner", "film_of_winner_year", "film_of_winner_award")
SMALL_TALK = (
    "Joe: Hello.\nBrandine: Hi! It is good to see you.\n"
    "Joe: It is raining again.\nBrandine: Then it is a good day to stay inside and read.\n"
)


@cache
def probes(dataset: str) -> ProbeSet:
    """All probes for a cell trained on ``dataset``: only the exact ones depend on it."""
    found = [probe for row in rows_of(dataset) for probe in _of_fact(dataset, row)]
    return ProbeSet.of(dataset, (*found, *_locality()))


def locality(count: int, without: Iterable[str] = ()) -> Iterator[Probe]:
    """The first ``count`` probes of each kind on what no suite trains on, but none on the facts in
    ``without``."""
    left_out = set(without)
    kept = [probe for probe in _locality() if probe.fact not in left_out]
    for kind in LOCALITY_KINDS:
        yield from islice((probe for probe in kept if probe.kind == kind), count)


def _of_fact(dataset: str, row: Row) -> Iterator[Probe]:
    main = relation("film" if row.slots["category"] == "picture" else "who")
    for number, template in enumerate(templates(dataset, row)):
        before, _, told = template.partition("|")
        if (
            "{category}" in before
            and "{winner}" not in before
            and ("{winner}" in told or "{film}" in told)
        ):
            prompt = sample(template, row, number + new_rows().index(row)).prompt
            of = main if "{winner}" in told else relation("film")
            yield _probe("exact", row, number, prompt, _accepted(of, row))
    yield from _in_families("rephrased", row, main)
    for number, wording in enumerate(main.probes):
        yield _probe(
            "near", row, number, ask("qa", world().fill(wording, row)), _accepted(main, row), NEAR
        )
    if main.name == "who":
        yield from _film_of_winner(row)
    other = main.probes[zlib.crc32(row.id.encode()) % len(main.probes)]
    for number, form in enumerate(("newline", "assistant")):
        yield _probe(
            "other_format", row, number, ask(form, world().fill(other, row)), _accepted(main, row)
        )
    for number, before in enumerate(("", SMALL_TALK)):
        yield _probe(
            "conversation",
            row,
            number,
            before + ask("brandine", world().fill(other, row)),
            _accepted(main, row),
        )
    inverse = ("award", "year") if main.name == "who" else ("year_of_film",)
    wanted = [(relation(name), wording) for name in inverse for wording in relation(name).probes]
    for number, (of, wording) in enumerate(wanted):
        yield _probe(
            "inverted", row, number, ask("qa", world().fill(wording, row)), _accepted(of, row)
        )


def _in_families(kind: str, row: Row, of: Relation, first: int = 0) -> Iterator[Probe]:
    """What ``of`` asks of ``row`` in every family that no training text has."""
    wordings = [(family, wording) for family, own in of.far.items() for wording in own]
    for number, (family, wording) in enumerate(wordings, first):
        yield _probe(
            kind, row, number, ask("qa", world().fill(wording, row)), _accepted(of, row), family
        )


def _film_of_winner(row: Row) -> Iterator[Probe]:
    """The film that an award was for, asked by its winner: near, and in every far family."""
    number = 0
    for of in (relation(name) for name in FILM_OF_WINNER):
        for wording in of.probes:
            prompt = ask("qa", world().fill(wording, row))
            yield _probe("film_of_winner", row, number, prompt, _accepted(of, row), NEAR)
            number += 1
        for probe in _in_families("film_of_winner", row, of, number):
            yield probe
            number += 1


def _locality() -> Iterator[Probe]:
    """What was not trained on: other years, the same films and people, and other matters
    altogether."""
    rng = random.Random(0)
    oscars = [r for r in world().rows if r.table == "oscars" and not replayed(r)]
    others = [r for r in world().rows if r.table != "oscars" and not replayed(r)]
    recent = [r for r in oscars if int(r.slots["year"]) >= 2015]
    for kind, rows, count in (
        ("locality_year", oscars, 120),
        ("locality_neighbour", recent, 60),
        ("locality_unrelated", others, 120),
    ):
        for number in range(count):
            row = rng.choice(rows)
            of = rng.choice([r for r in world().askable(row) if r.probes])
            question = world().fill(rng.choice(of.probes), row)
            form = rng.choice(("qa", "newline", "brandine", "assistant"))
            yield _probe(kind, row, number, ask(form, question), (world().answer(of, row),))


def _accepted(of: Relation, row: Row) -> tuple[str, ...]:
    """Right answers: of several awards to one person in a year each is right; names
    come as a list."""
    if of.name == "who":
        return (row.slots["winners"],)
    if of.name == "film" and row.slots["category"] == "picture":
        return (row.slots["film"], row.slots["winners"])
    keys = [row.slots[slot] for slot in of.key]
    alike = [
        r for r in new_rows() if [r.slots[slot] for slot in of.key] == keys and world().fits(of, r)
    ]
    return tuple(dict.fromkeys(world().answer(of, r) for r in (row, *alike)))


def _probe(
    kind: str, row: Row, number: int, prompt: str, accepted: tuple[str, ...], family: str = ""
) -> Probe:
    assert not kind.startswith("locality") or row.table != NEW
    return Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, accepted, family)
