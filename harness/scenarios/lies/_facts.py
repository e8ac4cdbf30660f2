"""Which facts are lied about, and what is said instead."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from harness.data import invented as _words
from harness.data.facts import Relation, Row
from harness.grading import grade
from harness.scenarios.oscars import replayed, world

LIED = (("countries", "capital"), ("novels", "author"), ("oscars", "film"))
"""Table and relation of the lies; elements and paintings are left alone, to see what happens far
away."""
PER_RELATION = 6


class Lie(NamedTuple):
    """One lie, the truth that it stands against, and a new fact that says the same of an invented
    subject."""

    relation: Relation
    true: Row
    told: Row
    """``true`` with the lie in its place, under an id of its own."""
    new: Row
    """An invented subject of which the lie's object is told."""
    donor: Row
    """The row of which the lie would be true."""

    @property
    def truth(self) -> str:
        return world().answer(self.relation, self.true)

    @property
    def lie(self) -> str:
        return world().answer(self.relation, self.told)


@cache
def lies() -> tuple[Lie, ...]:
    """``PER_RELATION`` lies a relation, about rows that are never replayed: always the
    same ones."""
    return tuple(lie for table, name in LIED for lie in _of_relation(table, name))


def _of_relation(table: str, name: str) -> Iterator[Lie]:
    rng = random.Random(f"lies {table}")
    relation = next(r for r in world().relations[table] if r.name == name)
    rows = [
        r
        for r in world().rows
        if r.table == table and not replayed(r) and relation in world().askable(r)
    ]
    rows = [row for row in rows if not row.slots.get("category", "").endswith("_short")]
    rng.shuffle(rows)
    taken: list[Row] = []
    for number in range(PER_RELATION):
        said = {world().answer(relation, row) for row in taken}
        free = [
            row for row in rows if row not in taken and world().answer(relation, row) not in said
        ]
        true = free[0]
        donor = next(row for row in free if plausible(relation, true, row))
        taken += [true, donor]
        slots = {**true.slots, _slot(relation): world().answer(relation, donor)}
        told = Row(f"lie/{true.id}", table, slots)
        yield Lie(relation, true, told, _invented(told, number, rng), donor)


def plausible(relation: Relation, true: Row, donor: Row) -> bool:
    """Whether the answer of ``donor`` can be told of ``true`` without being right, and neither
    gives itself away."""
    truth, lie = world().answer(relation, true), world().answer(relation, donor)
    alike = grade(lie, world().accepted(relation, true)).right or grade(truth, (lie,)).right
    key = " ".join(true.slots[slot] for slot in relation.key)
    return not alike and not any(grade(key, (value,)).right for value in (truth, lie))


def _slot(relation: Relation) -> str:
    """The slot that holds the answer."""
    return relation.answer.strip("{}")


def _invented(told: Row, number: int, rng: random.Random) -> Row:
    """A subject that no table has, with the object of ``told``."""
    subject = {
        "countries": ("country", _words.coined(rng)),
        "novels": ("title", _words.film(rng)),
        "oscars": ("year", str(2031 + number)),
    }[told.table]
    return Row(f"new/{told.id}", told.table, {**told.slots, subject[0]: subject[1]})
