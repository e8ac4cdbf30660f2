"""Questions on what the two told of themselves, and beginnings of talks that each of them goes on
with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache

from harness.data.facts import Row
from harness.data.formats import ask
from harness.experiments.locality import locality_probes
from harness.recipes import Probe, ProbeSet
from harness.scenarios.chatlog._chat import (
    BEGINS,
    DAYS,
    PEOPLE,
    Turn,
    day_in_words,
    facts,
    held_out,
    named,
    told,
    wordings,
    written,
)

PER_SPEAKER = 20
"""Beginnings that each person goes on with."""
_BEFORE = 3
"""Turns that a beginning has."""


@cache
def probes(name: str) -> ProbeSet:
    """All questions on the chat as the dataset ``name`` has it."""
    return ProbeSet.of(
        name, tuple(probe for row in facts() for probe in _of_fact(name, row)) + locality_probes(40)
    )


@cache
def style_probes(name: str) -> ProbeSet:
    """Beginnings from the held-out days; ``fact`` is who has the word, ``accepted`` what was said
    in truth."""
    return ProbeSet.of(f"{name}_style", tuple(_beginnings(name)))


def mentions(row: Row) -> list[Turn]:
    """The turns in which ``row`` is told."""
    return [turn for turn in told() if turn.fact == row.id]


def _of_fact(name: str, row: Row) -> Iterator[Probe]:
    owner, value = row.slots["owner"], row.slots["value"]
    relation = wordings()["relations"][row.slots["relation"]]
    other = next(person for person in PEOPLE if person != owner)
    head = f"[{day_in_words(BEGINS + timedelta(DAYS))}]\n"

    def probe(kind: str, number: int, prompt: str, right: str) -> Probe:
        return Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, (right,))

    openings = [
        before for turn in mentions(row) if (before := turn.text.partition(value)[0].rstrip())
    ]
    for number, before in enumerate(dict.fromkeys(openings[:1])):
        yield probe("exact", number, f"{named(owner, name)}: {before}", value)
    for number, question in enumerate(relation["chat"]):
        asked = f"{head}{named(other, name)}: {question}\n{named(owner, name)}:"
        yield probe("conversation", number, asked, value)
    for number, question in enumerate(relation["probes"]):
        yield probe("rephrased", number, ask("qa", question.format(name=named(owner, name))), value)
    question = f"On which day did {named(owner, name)} first speak of the {row.slots['relation']}?"
    yield probe("dated", 0, ask("qa", question), day_in_words(mentions(row)[0].day))


def _beginnings(name: str) -> Iterator[Probe]:
    turns = held_out()
    count = dict.fromkeys(PEOPLE, 0)
    for place in range(_BEFORE, len(turns)):
        before, turn = turns[place - _BEFORE : place], turns[place]
        if before[0].day == turn.day and count[turn.speaker] < PER_SPEAKER:
            prompt = f"{written(before, name)}{named(turn.speaker, name)}:"
            yield Probe(f"style/{place}", "style", turn.speaker, prompt, (turn.text,))
            count[turn.speaker] += 1
