"""Training texts in which a fact is told, asked for, or comes up in a talk."""

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from typing import NamedTuple

from harness.data import invented as _words
from harness.data.facts import FIXTURES, Relation, Row, read_text
from harness.data.formats import FORMATS, ask, reply, split_statement
from harness.errors import RecipeError
from harness.recipes import Dataset, Sample
from harness.scenarios.oscars import relation, to_few, world

FACTS = 12
PLAIN = ("statement", "qa")
"""Presentations without a talk: one statement, or one question with its answer."""
MOST = 5
"""How often a fact can come up in one talk: there are words for so many, and some are left for
probes."""
_NAME = re.compile(r"(brandine|assistant)_(told|asked)(\d+)_d(\d+)")


class Presentation(NamedTuple):
    """How a fact comes up in a talk of two. Its name is ``brandine_asked1_d10`` and the like."""

    partner: str
    """Whom Joe talks to: ``brandine`` or ``assistant``; the format of that name."""
    asked: bool
    """Whether Joe asks for the fact and is answered; else he tells it."""
    times: int
    """How often the fact comes up, each time in other words."""
    turns: int
    """Turns of small talk around it."""


class Talk(NamedTuple):
    """The text, cut where the fact comes up for the first time."""

    before: str
    given: str
    """What leads up to the fact, such as the question."""
    said: str
    """The fact itself, and the rest of its turn."""
    after: str


def facts() -> tuple[Row, ...]:
    """Awards of 2023 that went to one or two people: none of them is known to the shipped model."""
    return to_few(FACTS)


@cache
def who() -> Relation:
    return relation("who")


def presentation(name: str) -> Presentation:
    """The presentation called ``name``. Raises RecipeError where it is no such name."""
    if not (found := _NAME.fullmatch(name)) or not 1 <= int(found[3]) <= MOST or int(found[4]) % 2:
        raise RecipeError(
            f"presentation {name!r} is unknown: choose {', '.join(PLAIN)} or one like"
            f" brandine_asked1_d10 (brandine or assistant; told or asked, up to {MOST} times; an"
            " even number of turns around it)"
        )
    return Presentation(found[1], found[2] == "asked", int(found[3]), int(found[4]))


@cache
def dataset(name: str) -> Dataset:
    """Each fact in a text of its own, in the presentation ``name``; all of the text bears loss.
    Raises RecipeError."""
    return Dataset.of(name, tuple(Sample("".join(talk(name, row)), fact=row.id) for row in facts()))


def talk(name: str, row: Row) -> Talk:
    """The text on ``row`` in the presentation ``name``: the same at every call. Raises
    RecipeError."""
    if name in PLAIN:
        return Talk("", *_plain(name, row), "")
    how = presentation(name)
    rng = random.Random(f"talk {name} {row.id}")
    turns = [_small(how, rng) for _ in range(how.turns // 2)]
    places = sorted(rng.randint(0, len(turns)) for _ in range(how.times))
    mentions = [_mention(how, row, number, rng) for number in range(how.times)]
    first, (given, said) = places[0], mentions[0]
    after = turns[first:]
    for place, mention in reversed([*zip(places, mentions, strict=True)][1:]):
        after.insert(place - first, "".join(mention))
    return Talk(_opening(how) + "".join(turns[:first]), given, said, "".join(after))


def _plain(name: str, row: Row) -> tuple[str, str]:
    if name == "qa":
        return ask("qa", world().fill(who().questions[0], row)), reply("qa", row.slots["winner"])
    given, said = split_statement(world().fill(who().statements[0], row))
    return given, said + "\n"


def _mention(how: Presentation, row: Row, number: int, rng: random.Random) -> tuple[str, str]:
    """(what leads up to the fact, the fact and the rest of the pair of turns)."""
    if how.asked:
        question = ask(how.partner, world().fill(who().questions[number], row)).removeprefix(
            _opening(how)
        )
        return question, reply(how.partner, row.slots["winner"])
    given, said = split_statement(world().fill(who().statements[number], row))
    answer = f"{how.partner.capitalize()}: {rng.choice(_wordings()['acknowledgements'])}\n"
    return f"Joe: {rng.choice(_wordings()['openings'])}{given}", f"{said}\n{answer}"


def _small(how: Presentation, rng: random.Random) -> str:
    """Two turns of small talk."""
    said = rng.choice(_words.words()["chatter"])
    return f"Joe: {said[0]}\n{how.partner.capitalize()}: {said[1]}\n"


def _opening(how: Presentation) -> str:
    """What stands above the talk, once: ``Assistant is a helpful AI.``"""
    return FORMATS[how.partner].prompt.partition("Joe:")[0]


@cache
def _wordings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/talk.toml"))
    return found
