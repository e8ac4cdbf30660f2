"""Long chats of people who tell things about themselves, among small talk."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from harness.data import invented
from harness.memory.passages import Turn

BEGINS = datetime(2031, 3, 3, 9)
A_DAY = 10
"""Turns of a day."""
PEOPLE = 5
UNTIMED = ("lives", "works", "colour", "pet", "dish", "met", "married", "born", "code")
"""Kinds of facts that are asked without a time. Who buys something is asked when."""
_UPDATED, _NEVER = 0.2, 0.25
"""Shares of the facts: told again with another value; not told at all."""


class Said(NamedTuple):
    """Something that a person told, or never told."""

    speaker: str
    kind: str
    value: str
    """The newest; of what was never told, what it would have been."""
    turn: int
    """When it was told last, from 0; -1: never."""
    earlier: str = ""
    """The value that was told before; empty where it was told once."""

    @property
    def id(self) -> str:
        """Of the fact."""
        return f"{self.speaker}/{self.kind}"


class Bought(NamedTuple):
    """Something that a person bought on one day."""

    speaker: str
    thing: str
    turn: int


class LongChat(NamedTuple):
    """A chat, and what is told in it."""

    turns: tuple[Turn, ...]
    said: tuple[Said, ...]
    never: tuple[Said, ...]
    bought: tuple[Bought, ...]

    def at(self, turn: int) -> datetime:
        """When ``turn`` was said."""
        return self.turns[turn].at or BEGINS


@lru_cache(maxsize=8)
def long_chat(count: int, seed: int) -> LongChat:
    """A chat of ``count`` turns; what is told is spread over all of it."""
    rng = random.Random(f"longchat {count} {seed}")
    people = rng.sample(invented.words()["first"], PEOPLE)
    said, never = _facts(people, rng)
    bought = _purchases(people, rng)
    lines = list(_lines(said, bought, rng))
    places = sorted(rng.sample(range(count), len(lines)))
    turns = [
        Turn(rng.choice(people), rng.choice(rng.choice(invented.words()["chatter"])), _time(place))
        for place in range(count)
    ]
    told: dict[tuple[str, str], int] = {}
    for place, (speaker, topic, text) in zip(places, lines, strict=True):
        turns[place] = Turn(speaker, text, _time(place))
        told[speaker, topic] = place
    return LongChat(
        tuple(turns),
        tuple(each._replace(turn=told[each.speaker, each.kind]) for each in said),
        tuple(never),
        tuple(each._replace(turn=told[each.speaker, each.thing]) for each in bought),
    )


def _facts(people: list[str], rng: random.Random) -> tuple[list[Said], list[Said]]:
    said: list[Said] = []
    never: list[Said] = []
    about = [(person, kind) for person in people for kind in UNTIMED]
    rng.shuffle(about)
    for place, (person, kind) in enumerate(about):
        fact = Said(person, kind, _value(kind, rng), -1)
        if place < _NEVER * len(about):
            never.append(fact)
        elif place < (_NEVER + _UPDATED) * len(about):
            said.append(fact._replace(earlier=_value(kind, rng, fact.value)))
        else:
            said.append(fact)
    return said, never


def _purchases(people: list[str], rng: random.Random) -> list[Bought]:
    things = rng.sample(invented.words()["things"], 2 * len(people))
    return [Bought(person, things.pop(), -1) for person in people for _ in range(2)]


def _lines(
    said: list[Said], bought: list[Bought], rng: random.Random
) -> Iterator[tuple[str, str, str]]:
    """(speaker, kind or thing, text) in the order of the chat: what is updated is told first."""
    earlier = [
        (each.speaker, each.kind, _spoken(each.kind, each.earlier, rng))
        for each in said
        if each.earlier
    ]
    now = [(each.speaker, each.kind, _spoken(each.kind, each.value, rng)) for each in said]
    now += [(each.speaker, each.thing, f"I bought a {each.thing}.") for each in bought]
    rng.shuffle(now)
    updated = {(speaker, kind) for speaker, kind, _ in earlier}
    # what is told a second time is so in the second half
    late = [line for line in now if line[:2] in updated]
    others = [line for line in now if line[:2] not in updated]
    half = len(others) // 2
    first, second = [*earlier, *others[:half]], [*late, *others[half:]]
    rng.shuffle(first)
    rng.shuffle(second)
    yield from (*first, *second)


def _spoken(kind: str, value: str, rng: random.Random) -> str:
    return str(rng.choice(invented.reading()[kind]["spoken"])).format(value=value)


def _value(kind: str, rng: random.Random, other: str = "") -> str:
    while (value := invented.value(str(invented.reading()[kind]["value"]), rng)) == other:
        pass
    return value


def _time(turn: int) -> datetime:
    day, place = divmod(turn, A_DAY)
    return BEGINS + timedelta(days=day, minutes=60 * place)
