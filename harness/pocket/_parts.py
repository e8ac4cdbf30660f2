"""A document: pieces of text, some of which bear loss."""

from __future__ import annotations

import random
from typing import NamedTuple

from harness.data.formats import FORMATS, ask, reply


class Segment(NamedTuple):
    text: str
    loss: bool
    """Whether there is something to learn in it; a random name in a passage cannot be foretold."""


Document = list[Segment]

_ASKED_IN = (*FORMATS, "newline")
"""The format without any mark is the hardest, so it comes twice."""


def turn(question: str, answer: str, form: str) -> Document:
    """A question and its answer, which alone bears loss."""
    return [Segment(ask(form, question), False), Segment(reply(form, answer), True)]


def any_format(rng: random.Random) -> str:
    return rng.choice(tuple(FORMATS))


def turns(pairs: list[tuple[str, str]], rng: random.Random) -> Document:
    """Questions and answers in one format; the assistant's opening line comes once, or
    not at all."""
    form = rng.choice(_ASKED_IN)
    document = [part for question, answer in pairs for part in turn(question, answer, form)]
    if form != "assistant":
        return document
    opening = "Assistant is a helpful AI.\n"
    bare = [part._replace(text=part.text.removeprefix(opening)) for part in document]
    return [Segment(opening, False), *bare] if rng.random() < 0.6 else bare


def told(statement: str, before: bool) -> Document:
    """A statement; ``before`` says whether what precedes its ``|`` bears loss too."""
    given, _, value = statement.partition("|")
    return [Segment(given, before), Segment(value + "\n", True)]
