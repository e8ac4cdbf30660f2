"""A training document: segments of text, some of which are trained."""

from __future__ import annotations

import random
from typing import NamedTuple

from harness.data.formats import FORMATS, ask, reply


class Segment(NamedTuple):
    """A piece of a document."""

    text: str
    loss: bool
    """Whether its tokens are trained. A random name in a passage cannot be predicted."""


Document = list[Segment]

_FORMATS = (*FORMATS, "newline")
"""``newline`` is the hardest format, because it has no label, so it is here twice."""


def turn(question: str, answer: str, form: str) -> Document:
    """A question and its answer; only the answer is trained."""
    return [Segment(ask(form, question), False), Segment(reply(form, answer), True)]


def any_format(rng: random.Random) -> str:
    """The name of a random format."""
    return rng.choice(tuple(FORMATS))


def turns(pairs: list[tuple[str, str]], rng: random.Random) -> Document:
    """Questions and answers in one format; the assistant's first line is there once or never."""
    form = rng.choice(_FORMATS)
    document = [segment for question, answer in pairs for segment in turn(question, answer, form)]
    if form != "assistant":
        return document
    first_line = "Assistant is a helpful AI.\n"
    rest = [segment._replace(text=segment.text.removeprefix(first_line)) for segment in document]
    return [Segment(first_line, False), *rest] if rng.random() < 0.6 else rest


def statement(text: str, train_prompt: bool) -> Document:
    """A statement, split at its ``|``; the part before it is trained only with ``train_prompt``."""
    prompt, _, completion = text.partition("|")
    return [Segment(prompt, train_prompt), Segment(completion + "\n", True)]
