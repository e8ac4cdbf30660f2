"""Training texts on the Oscars of 2023, and known facts to replay."""

from __future__ import annotations

import random
import tomllib
import zlib
from functools import cache
from itertools import islice
from typing import Any

from harness.errors import RecipeError
from harness.facts import FIXTURES, Relation, Row, World, read_rows, read_text
from harness.formats import FORMATS, ask, reply
from harness.recipes import Dataset, Sample

TEN = "oscars_ten"
"""The first ten facts, told as ``oscars_aug`` tells all of them."""
DATASETS = ("oscarstxt", "the_oscar_award_txt", "oscars_aug", TEN)
NEW = "oscars_2023"


@cache
def world() -> World:
    return World()


def relation(name: str) -> Relation:
    """What can be told and asked about an award under ``name``: ``who``, ``film``, ``award``, ``year``."""
    return next(r for r in world().relations["oscars"] if r.name == name)


@cache
def new_rows() -> tuple[Row, ...]:
    """The 23 facts."""
    return tuple(read_rows(NEW))


@cache
def to_few(count: int) -> tuple[Row, ...]:
    """The first ``count`` of them that went to one or two people."""
    rows = (row for row in new_rows() if row.slots["category"] != "picture" and row.slots["winners"].count(";") < 2)
    return tuple(islice(rows, count))


def rows_of(name: str) -> tuple[Row, ...]:
    """The facts that the dataset ``name`` tells."""
    return new_rows()[:10] if name == TEN else new_rows()


@cache
def wordings() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = tomllib.loads(read_text(FIXTURES / "wordings/oscars_2023.toml"))["datasets"]
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
    """The wordings in which the dataset ``name`` tells ``row``; Best Picture goes to a film, not a person."""
    own = wordings()["oscars_aug" if name == TEN else name]
    found: list[str] = own["picture" if row.slots["category"] == "picture" else "train"]
    return [f"? {t}" for t in found] if own["sort"] == "qa" else found


def sample(template: str, row: Row, turn: int) -> Sample:
    """A statement; or, after ``?``, a question and its answer, in the format number ``turn``."""
    if not template.startswith("? "):
        given, _, told = world().word(template, row).partition("|")
        return Sample(completion=told + "\n", prompt=given, fact=row.id)
    question, _, answer = template[2:].partition("|")
    form = "qa" if "and for which film" in question else tuple(FORMATS)[turn % len(FORMATS)]
    return Sample(reply(form, world().word(answer, row)), ask(form, world().word(question, row)), row.id)


def replayed(row: Row) -> bool:
    """Whether ``row`` may be replayed; the other half measures locality, so no row does both."""
    return zlib.crc32(f"replay {row.id}".encode()) % 2 == 0


@cache
def replay(count: int = 2000, seed: int = 0) -> Dataset:
    """Questions on known facts, each with its answer, in all formats: none is one that locality is measured on."""
    dice = random.Random(seed)
    known = [row for row in world().rows if replayed(row) and world().askable(row)]
    samples = []
    for _ in range(count):
        row = dice.choice(known)
        relation = dice.choice(world().askable(row))
        form = dice.choice(tuple(FORMATS))
        question = world().word(dice.choice(relation.questions), row, dice)
        samples.append(Sample(reply(form, world().answer(relation, row)), ask(form, question), row.id))
    return Dataset.of("replay", tuple(samples))
