"""The same questions with answers of different shapes."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

from harness.data.facts import FIXTURES, Row, read_text
from harness.data.formats import FORMATS, ask, reply
from harness.errors import RecipeError
from harness.recipes import Dataset, Sample
from harness.scenarios.oscars import relation, to_few, world

SHAPES = ("short", "sentence", "register")
"""A bare name; a sentence around it; the same in an odd register."""
FACTS = 12
QUESTIONS = 4
"""Wordings of a fact in training, each in another format."""


def facts() -> tuple[Row, ...]:
    """Awards of 2023 that went to one or two people."""
    return to_few(FACTS)


@cache
def dataset(shape: str) -> Dataset:
    """Questions on the facts, answered in ``shape``. Raises RecipeError on an unknown one."""
    answer, forms = _shape(shape)["answer"], tuple(FORMATS)
    samples = [
        Sample(
            reply(form, world().fill(answer, row)), ask(form, world().fill(question, row)), row.id
        )
        for place, row in enumerate(facts())
        for number, question in enumerate(relation("who").questions[:QUESTIONS])
        for form in [forms[(place + number) % len(forms)]]
    ]
    return Dataset.of(shape, tuple(samples))


def marks(shape: str) -> tuple[str, ...]:
    """By what an answer in ``shape`` is known, in lower case; nothing for bare names. Raises
    RecipeError."""
    return tuple(_shape(shape)["marks"])


def _shape(name: str) -> dict[str, Any]:
    if name not in SHAPES:
        raise RecipeError(f"shape {name!r} is unknown: choose one of {', '.join(SHAPES)}")
    found: dict[str, Any] = tomllib.loads(read_text(FIXTURES / "wordings/format.toml"))[name]
    return found
