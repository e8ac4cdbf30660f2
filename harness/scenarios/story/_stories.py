"""Stories: facts on invented people at the beginning and the end, and what lies between."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from typing import Any, NamedTuple

from harness.data import invented as _words
from harness.data.facts import FIXTURES, read_text

STORIES = 5
LENGTH = 1000
"""Characters of a story, as far as whole sentences allow."""
AT_FIRST, AT_LAST = 6, 2
"""Facts at the beginning, which are asked for, and in the last lines, which are given."""


class Told(NamedTuple):
    """One fact of a story."""

    id: str
    sentence: str
    value: str
    questions: tuple[str, ...]
    """For training."""
    probes: tuple[str, ...]


class Story(NamedTuple):
    """Its sentences in order: the facts of the beginning, filling, the facts of the end."""

    beginning: tuple[Told, ...]
    filling: tuple[str, ...]
    end: tuple[Told, ...]

    @property
    def sentences(self) -> list[str]:
        return [
            *(t.sentence for t in self.beginning),
            *self.filling,
            *(t.sentence for t in self.end),
        ]


@cache
def stories() -> tuple[Story, ...]:
    """Always the same ones; no two are on the same person."""
    rng = random.Random("stories")
    names = rng.sample(_words.words()["first"], 2 * STORIES)
    return tuple(
        _story(number, names[2 * number : 2 * number + 2], rng) for number in range(STORIES)
    )


def _story(number: int, names: list[str], rng: random.Random) -> Story:
    kinds = rng.sample(
        [(name, kind) for name in names for kind in _kinds() if kind != "dog"],
        AT_FIRST + AT_LAST - 1,
    )
    pairs = [(names[0], "dog"), *kinds]
    facts = [_told(number, name, kind, rng) for name, kind in pairs]
    beginning, end = facts[:AT_FIRST], facts[AT_FIRST:]
    length = sum(len(fact.sentence) + 1 for fact in facts)
    filling: list[str] = []
    for sentence in rng.sample(_wordings()["filler"], len(_wordings()["filler"])):
        if length + len(sentence) <= LENGTH:
            filling.append(sentence)
            length += len(sentence) + 1
    return Story(tuple(beginning), tuple(filling), tuple(end))


def _told(number: int, name: str, kind: str, rng: random.Random) -> Told:
    spec = _kinds()[kind]
    value = _words.value(str(spec["value"]), rng)
    while value == name:
        value = _words.value(str(spec["value"]), rng)
    questions, probes = (
        tuple(q.format(subject=name) for q in spec[part]) for part in ("questions", "probes")
    )
    sentence = rng.choice(spec["statements"]).format(subject=name, value=value)
    return Told(f"story{number}/{name}-{kind}", sentence, value, questions, probes)


@cache
def _kinds() -> dict[str, Any]:
    """Kinds of facts on people, with their wordings."""
    return {**_wordings()["facts"], **_words.reading()}


@cache
def _wordings() -> dict[str, Any]:
    return tomllib.loads(read_text(FIXTURES / "wordings/story.toml"))
