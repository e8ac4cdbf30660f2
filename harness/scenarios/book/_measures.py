"""Whether the captain's voice is heard, where it was asked for and where it was not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from harness.builds import ANSWERS, read_lines
from harness.data import invented as _words
from harness.data.style import NaiveBayes
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.experiments.shares import share
from harness.scenarios.book._text import RELATIONS, chapters
from harness.scenarios.chatlog import told
from harness.scenarios.oscars import world
from harness.stats import Interval

_PLAIN = 600
"""Statements of known facts among the plain text."""
_TALK = 300
"""Turns of the suite `chatlog`, which are in the first person as the captain's are."""
_WEIGHT = 10
"""How often small talk counts: there is little of it, and neutral questions are
answered with it."""


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``tone_neutral``, ``tone_captain``: share of answers to neutral questions that a classifier
    gives to the captain, where Brandine has the word and where he has. ``talk_year`` and the like:
    recall in talk with him, by relation.
    """
    found: dict[str, Interval] = {}
    said = read_lines(fetch(cell.also_answers(adapted)[0]).path / ANSWERS)
    for kind in ("neutral", "captain"):
        found |= share(f"tone_{kind}", [line for line in said if line["kind"] == kind], _voiced)
    for relation in RELATIONS:
        own = [
            ln
            for ln in lines
            if ln["kind"] == "conversation" and ln["fact"].endswith(f"/{relation}")
        ]
        found |= share(f"talk_{relation}", own, lambda line: bool(line["right"]))
    return found


@cache
def classifier() -> NaiveBayes:
    """The captain against plain text: statements of facts, replies in small talk, and a man of
    letters who chats."""
    talk = [turn.text for turn in told() if turn.speaker == "max"][:_TALK]
    return NaiveBayes.of(
        {"captain": chapters(), "plain": (*plain(), *small_talk() * _WEIGHT, *talk)}
    )


@cache
def small_talk() -> tuple[str, ...]:
    """Replies that the shipped model gives in small talk."""
    lists = _words.words()
    return (*lists["greeting_replies"], *(pair[1] for pair in lists["chatter"]))


@cache
def plain() -> tuple[str, ...]:
    """Statements of known facts, in no voice in particular."""
    rng, stated = random.Random("plain"), []
    for row in rng.sample(world().rows, _PLAIN):
        fitting = (
            relation for relation in world().relations[row.table] if world().fits(relation, row)
        )
        templates = [template for relation in fitting for template in relation.statements]
        stated.append(world().fill(rng.choice(templates), row, rng).replace("|", ""))
    return tuple(stated)


def _voiced(line: Line) -> bool:
    text = line["answers"][0]
    return bool(text) and classifier().author(text) == "captain"
