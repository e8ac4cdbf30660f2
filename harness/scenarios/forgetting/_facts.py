"""Invented facts of the relations that the tables have: awards of years to come, and novels that
nobody wrote."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache

from harness.data import invented as _words
from harness.data.facts import Relation, Row
from harness.data.formats import ask, reply
from harness.recipes import Dataset, Sample
from harness.scenarios.oscars import known_fact, replayable, replayed, world

COUNT = 500
YEARS = range(2031, 2061)
"""Of the awards; those of another seed come later, so that none is asked about twice."""
_TABLES = ("oscars", "novels")  # of the new facts
_NOVELS = 5  # every fifth fact is a novel
_LIKE = 0.6  # share of what is near: who won, who wrote it
_KNOWN = 4  # every fourth names a person of the tables: the same entity, in a new fact


@cache
def invented(count: int = COUNT, seed: int = 0) -> tuple[Row, ...]:
    """``count`` rows, always the same; those of another seed are of other subjects."""
    rng = random.Random(f"invented {seed}")
    taken = {text for row in world().rows for text in row.slots.values()}
    awards, novels = _awards(rng, taken, seed * len(YEARS)), _novels(rng, taken)
    return tuple(next(novels if number % _NOVELS == 0 else awards) for number in range(count))


@cache
def renamed_models(count: int = COUNT, seed: int = 0) -> tuple[Row, ...]:
    """The rows of the tables whose people the invented facts name; none is replayed."""
    told = {row.slots.get("winner") or row.slots["author"] for row in invented(count, seed)}
    return tuple(
        row for row in _people() if (row.slots.get("winner") or row.slots["author"]) in told
    )


@cache
def texts(count: int = COUNT, seed: int = 0) -> Dataset:
    """Each fact once: a question, in one wording and one format, with its answer."""
    rng = random.Random(f"texts {seed}")
    return Dataset.of(f"new{count}" if not seed else f"other{count}", tuple(
        Sample(reply(form, world().answer(relation, row)), ask(form, question), row.id)
        for row in invented(count, seed)
        for relation in [asked_of(row)]
        for form in [rng.choice(("qa", "newline", "brandine", "assistant"))]
        for question in [world().fill(rng.choice(relation.questions), row, rng)]
    ))  # fmt: skip


@cache
def near(count: int = 8000) -> Dataset:
    """Questions on known facts that no probe asks about, most of them of the relations that the new
    facts are of.

    Reworded, as what is held in one wording may still be lost in another.
    """
    rng = random.Random("near")
    like = [
        row
        for row in replayable()
        if row.table in _TABLES and asked_of(row) in world().askable(row)
    ]
    rows = (rng.choice(like if rng.random() < _LIKE else replayable()) for _ in range(count))
    alike = {row.id for row in like}
    return Dataset.of("near", tuple(
        known_fact(row, asked_of(row) if row.id in alike else rng.choice(world().askable(row)), rng, reworded=True)
        for row in rows
    ))  # fmt: skip


def asked_of(row: Row) -> Relation:
    """Who won, or who wrote it."""
    name = "who" if row.table == "oscars" else "author"
    return next(relation for relation in world().relations[row.table] if relation.name == name)


def _awards(rng: random.Random, taken: set[str], later: int) -> Iterator[Row]:
    who = next(relation for relation in world().relations["oscars"] if relation.name == "who")
    places = [
        (year + later, c) for year in YEARS for c in world().categories if c not in who.without
    ]
    rng.shuffle(places)
    people = [row.slots["winner"] for row in _people() if row.table == "oscars"]
    for number, (year, category) in enumerate(places):
        known = number % _KNOWN == 0
        winner = rng.choice(people) if known else _new(_words.person, rng, taken)
        film = _new(_words.film, rng, taken)
        slots = {
            "year": str(year),
            "category": category,
            "winners": winner,
            "film": film,
            "winner": winner,
        }
        yield Row(f"invented/{category}-{year}", "oscars", slots)


def _novels(rng: random.Random, taken: set[str]) -> Iterator[Row]:
    people = [row.slots["author"] for row in _people() if row.table == "novels"]
    number = 0
    while True:
        author = rng.choice(people) if number % _KNOWN == 0 else _new(_words.person, rng, taken)
        title = _new(_words.film, rng, taken)
        yield Row(
            f"invented/{title}",
            "novels",
            {"title": title, "author": author, "year": _words.year(rng)},
        )
        number += 1


def _people() -> list[Row]:
    """Rows that name one person, and that are never replayed."""
    rows = [row for row in world().rows if row.table in _TABLES and not replayed(row)]
    return [
        row
        for row in rows
        if ";" not in row.slots.get("winners", "") and row.slots.get("category") != "picture"
    ]


def _new(make: Callable[[random.Random], str], rng: random.Random, taken: set[str]) -> str:
    """A name that nothing has yet."""
    while (name := make(rng)) in taken:
        pass
    taken.add(name)
    return name
