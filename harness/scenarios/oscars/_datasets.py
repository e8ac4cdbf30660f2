"""Training texts on the Oscars of 2023, and known facts to replay."""

from __future__ import annotations

import random
import re
import tomllib
import zlib
from functools import cache
from itertools import islice
from typing import Any

from harness.data.facts import FIXTURES, Relation, Row, World, read_rows, read_text
from harness.data.formats import FORMATS, ask, reply, split_statement
from harness.data.rewording import question, reword
from harness.errors import RecipeError
from harness.recipes import Dataset, Sample

TEN = "oscars_ten"
"""The first ten facts, told as ``oscars_aug`` tells all of them."""
DATASETS = ("oscarstxt", "the_oscar_award_txt", "oscars_aug", TEN)
NEW = "oscars_2023"
_ASKED = re.compile(r"\?(\w*) (.*?)\|(.*)")


@cache
def world() -> World:
    return World()


def relation(name: str) -> Relation:
    """What can be told and asked about an award under ``name``: ``who``, ``film``, ``award``,
    ``year``."""
    return next(r for r in world().relations["oscars"] if r.name == name)


@cache
def new_rows() -> tuple[Row, ...]:
    """The 23 facts."""
    return tuple(read_rows(NEW))


@cache
def to_few(count: int) -> tuple[Row, ...]:
    """The first ``count`` of them that went to one or two people."""
    rows = (
        row
        for row in new_rows()
        if row.slots["category"] != "picture" and row.slots["winners"].count(";") < 2
    )
    return tuple(islice(rows, count))


def rows_of(name: str) -> tuple[Row, ...]:
    """The facts that the dataset ``name`` tells."""
    return new_rows()[:10] if name == TEN else new_rows()


@cache
def wordings() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = tomllib.loads(
        read_text(FIXTURES / "wordings/oscars_2023.toml")
    )["datasets"]
    return found


@cache
def dataset(name: str) -> Dataset:
    """The training text called ``name``. Raises RecipeError on an unknown one."""
    if name not in DATASETS:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(DATASETS)}")
    samples = tuple(
        sample(template, row, number + place)
        for place, row in enumerate(rows_of(name))
        for number, template in enumerate(templates(name, row))
    )
    return Dataset.of(name, samples)


def templates(name: str, row: Row) -> list[str]:
    """The wordings in which the dataset ``name`` tells ``row``; Best Picture goes to a film, not a
    person."""
    own = wordings()["oscars_aug" if name == TEN else name]
    found: list[str] = own["picture" if row.slots["category"] == "picture" else "train"]
    if own["sort"] == "qa":
        return [f"?qa {t}" for t in found]
    return [_varied(template, row, number) for number, template in enumerate(found)]


def _varied(template: str, row: Row, number: int) -> str:
    """``~RELATION`` as a question of that relation in words of its own for ``row``; others as they
    are."""
    if not template.startswith("~"):
        return template
    asked = relation(template[1:])
    return f"? {question(asked, random.Random(f'{row.id}/{number}'))}|{asked.answer}"


def sample(template: str, row: Row, turn: int) -> Sample:
    """A statement; or, after ``?``, a question and its answer, in the format named there or else
    number ``turn``."""
    asked = _ASKED.fullmatch(template)
    if not asked:
        given, told = split_statement(world().fill(template, row))
        return Sample(completion=told + "\n", prompt=given, fact=row.id)
    named, wording, answer = asked.groups()
    form = named or tuple(FORMATS)[turn % len(FORMATS)]
    return Sample(
        reply(form, world().fill(answer, row)), ask(form, world().fill(wording, row)), row.id
    )


def replayed(row: Row) -> bool:
    """Whether ``row`` may be replayed; the other half measures locality, so no row does both."""
    return zlib.crc32(f"replay {row.id}".encode()) % 2 == 0


@cache
def replayable() -> tuple[Row, ...]:
    """All rows that may be replayed and that something can be asked about."""
    return tuple(row for row in world().rows if replayed(row) and world().askable(row))


@cache
def replay(count: int = 8000, seed: int = 0) -> Dataset:
    """Questions on known facts, each with its answer, in all formats: none is one that locality is
    measured on."""
    rng = random.Random(seed)
    rows = (rng.choice(replayable()) for _ in range(count))
    return Dataset.of(
        "replay", tuple(known_fact(row, rng.choice(world().askable(row)), rng) for row in rows)
    )


def known_fact(row: Row, of: Relation, rng: random.Random, reworded: bool = False) -> Sample:
    """A question with its answer, in a wording and a format by chance; ``reworded``, with other
    words in it."""
    form = rng.choice(tuple(FORMATS))
    wording = rng.choice(of.questions)
    asked = world().fill(reword(wording, rng) if reworded else wording, row, rng)
    return Sample(reply(form, world().answer(of, row)), ask(form, asked), row.id)
