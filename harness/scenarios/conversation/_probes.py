"""Questions on what came up in a talk, in every format."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache

from harness.data.facts import Row
from harness.data.formats import FORMATS, ask, split_statement
from harness.recipes import Probe, ProbeSet
from harness.scenarios.conversation._talk import facts, talk, who
from harness.scenarios.oscars import SMALL_TALK, locality, world

KINDS = (
    "in_place",
    "exact",
    "completed",
    *(f"asked_{form}" for form in FORMATS),
    "asked_in_a_talk",
)
"""The text up to the fact; only the words that lead up to it; another statement, begun; questions
in each format; and after some other small talk."""
WORDINGS = {"qa": 4, "newline": 2, "brandine": 2, "assistant": 2}
PER_LOCALITY = 40
_COMPLETED = (
    2  # statements that are begun for completion: the last of the relation, which no talk has
)


@cache
def probes(name: str) -> ProbeSet:
    """All probes for a cell trained on ``name``: only those in place and the exact ones depend on
    it."""
    found = [probe for row in facts() for probe in _of_fact(name, row)]
    return ProbeSet.of(name, (*found, *locality(PER_LOCALITY)))


def _of_fact(name: str, row: Row) -> Iterator[Probe]:
    own = talk(name, row)
    yield _probe("in_place", row, 0, own.before + own.given)
    yield _probe("exact", row, 0, own.given)
    for number, statement in enumerate(who().statements[-_COMPLETED:]):
        yield _probe("completed", row, number, split_statement(world().fill(statement, row))[0])
    for form, count in WORDINGS.items():
        for number in range(count):
            yield _probe(f"asked_{form}", row, number, ask(form, _question(row, number)))
    yield _probe("asked_in_a_talk", row, 0, SMALL_TALK + ask("brandine", _question(row, 0)))


def _question(row: Row, number: int) -> str:
    """One of the wordings that no training text has; each fact begins at another."""
    wordings = who().probes
    return world().fill(wordings[(zlib.crc32(row.id.encode()) + number) % len(wordings)], row)


def _probe(kind: str, row: Row, number: int, prompt: str) -> Probe:
    return Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, (row.slots["winners"],))
