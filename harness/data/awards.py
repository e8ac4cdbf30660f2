"""The 2023 Oscars: 23 new facts, told in several wordings and asked in many.

Six suites train on them: they are new to models from before March 2023, and near what such a model
knows of the years before.
"""

from __future__ import annotations

import random
import re
import tomllib
import zlib
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from harness.data.facts import FIXTURES, Relation, Row, read_rows, read_text
from harness.data.formats import FORMATS, ask, reply, split_statement
from harness.data.knowledge import locality_questions, some_locality_questions, world
from harness.data.rewording import question
from harness.errors import RecipeError
from harness.recipes import Dataset, Probe, ProbeSet, Sample

TEN = "oscars_ten"
"""The first ten facts, told as ``oscars_aug`` tells all of them."""
AUGMENTED = "oscars_aug"
"""All facts, each in twelve wordings; Best Picture in ten."""
DATASETS = ("oscarstxt", "the_oscar_award_txt", AUGMENTED, TEN)
TABLE = "oscars_2023"
FACT_KINDS = (
    "exact",
    "rephrased",
    "near",
    "film_of_winner",
    "inverted",
    "other_format",
    "conversation",
)
NEAR = "near"
"""The family of wordings that are similar to trained ones."""
LOCALITY_COUNT = 100
"""Questions on untouched facts, for suites that ask a third of them."""
FILM_OF_WINNER = ("film_of_winner", "film_of_winner_year", "film_of_winner_award")
SMALL_TALK = (
    "Joe: Hello.\nBrandine: Hi! It is good to see you.\n"
    "Joe: It is raining again.\nBrandine: Then it is a good day to stay inside and read.\n"
)
_QUESTION = re.compile(r"\?(\w*) (.*?)\|(.*)")


def relation(name: str) -> Relation:
    """What can be told and asked about an award: ``who``, ``film``, ``award``, ``year``."""
    return next(relation for relation in world().relations["oscars"] if relation.name == name)


@cache
def new_rows() -> tuple[Row, ...]:
    """The 23 facts."""
    return tuple(read_rows(TABLE))


@cache
def to_few(count: int) -> tuple[Row, ...]:
    """The first ``count`` of them that went to one or two people."""
    rows = (
        row
        for row in new_rows()
        if row.slots["category"] != "picture" and row.slots["winners"].count(";") < 2
    )
    return tuple(islice(rows, count))


@cache
def ten_facts() -> tuple[str, ...]:
    """Ids of the first ten facts about people, each of whom won alone or with others."""
    to_people = (row.id for row in new_rows() if row.slots["category"] != "picture")
    return tuple(islice(to_people, 10))


@cache
def ten_dataset() -> Dataset:
    """The ten facts in twelve wordings each, as one text."""
    samples = dataset(AUGMENTED).samples
    return Dataset.of("ten", tuple(text for text in samples if text.fact in ten_facts()))


@cache
def ten_probes(*kinds: str) -> ProbeSet:
    """Questions of ``kinds`` about the ten facts, and a third of those on untouched facts."""
    about_facts = (
        probe
        for probe in probes(AUGMENTED).probes
        if probe.fact in ten_facts() and probe.kind in kinds
    )
    return ProbeSet.of("ten", (*about_facts, *some_locality_questions(LOCALITY_COUNT)))


def rows_of(name: str) -> tuple[Row, ...]:
    """The facts that the dataset ``name`` tells."""
    return new_rows()[:10] if name == TEN else new_rows()


@cache
def wordings() -> dict[str, dict[str, Any]]:
    """The wordings of the training texts, by dataset."""
    path = FIXTURES / "wordings/oscars_2023.toml"
    datasets: dict[str, dict[str, Any]] = tomllib.loads(read_text(path))["datasets"]
    return datasets


@cache
def dataset(name: str, chat: bool = False) -> Dataset:
    """The training text called ``name``; with more wordings for models that are trained in chat.

    Raises RecipeError on an unknown one.
    """
    if name not in DATASETS:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(DATASETS)}")
    samples = tuple(
        sample(template, row, number + place)
        for place, row in enumerate(rows_of(name))
        for number, template in enumerate(templates(name, row, chat))
    )
    return Dataset.of(name, samples)


def templates(name: str, row: Row, chat: bool = False) -> list[str]:
    """The wordings in which the dataset ``name`` tells ``row``.

    Best Picture goes to a film, not to a person, and has wordings of its own.
    """
    spec = wordings()[AUGMENTED if name == TEN else name]
    is_picture = row.slots["category"] == "picture"
    texts: list[str] = spec["picture" if is_picture else "train"]
    if chat and not is_picture:
        texts = [*texts, *spec.get("chat", ())]
    if spec["sort"] == "qa":
        return [f"?qa {template}" for template in texts]
    return [_varied(template, row.id, number, chat) for number, template in enumerate(texts)]


@cache
def _varied(template: str, fact: str, number: int, chat: bool) -> str:
    """``~RELATION`` as a question of that relation in a random wording; others as they are.

    Models that are trained in chat know their language: they need no random words in it.
    """
    if not template.startswith("~"):
        return template
    wanted = relation(template[1:])
    asked = question(wanted, random.Random(f"{fact}/{number}"), noise=not chat)
    return f"? {asked}|{wanted.answer}"


def sample(template: str, row: Row, turn: int) -> Sample:
    """A statement; or, after ``?``, a question and its answer.

    The question is in the format that is named after ``?``, else in format number ``turn``.
    """
    match = _QUESTION.fullmatch(template)
    if not match:
        prompt, completion = split_statement(world().fill(template, row))
        return Sample(completion=completion + "\n", prompt=prompt, fact=row.id)
    named, wording, answer = match.groups()
    form = named or tuple(FORMATS)[turn % len(FORMATS)]
    prompt = ask(form, world().fill(wording, row))
    return Sample(reply(form, world().fill(answer, row)), prompt, row.id)


@cache
def probes(dataset: str, chat: bool = False) -> ProbeSet:
    """All probes for a cell trained on ``dataset``: only the exact ones depend on it.

    ``chat``: as in ``dataset()``.
    """
    about_facts = [probe for row in rows_of(dataset) for probe in _of_fact(dataset, row, chat)]
    return ProbeSet.of(dataset, (*about_facts, *locality_questions()))


def _of_fact(dataset: str, row: Row, chat: bool) -> Iterator[Probe]:
    main = relation("film" if row.slots["category"] == "picture" else "who")
    yield from _exact(dataset, row, main, chat)
    yield from _in_families("rephrased", row, main)
    for number, wording in enumerate(main.probes):
        yield _probe("near", row, number, "qa", wording, main, family=NEAR)
    if main.name == "who":
        yield from _film_of_winner(row)
    other = main.probes[zlib.crc32(row.id.encode()) % len(main.probes)]
    for number, form in enumerate(("newline", "assistant")):
        yield _probe("other_format", row, number, form, other, main)
    for number, before in enumerate(("", SMALL_TALK)):
        yield _probe("conversation", row, number, "brandine", other, main, before=before)
    inverse = ("award", "year") if main.name == "who" else ("year_of_film",)
    inverted_wordings = [
        (relation(name), wording) for name in inverse for wording in relation(name).probes
    ]
    for number, (inverted, wording) in enumerate(inverted_wordings):
        yield _probe("inverted", row, number, "qa", wording, inverted)


def _exact(dataset: str, row: Row, main: Relation, chat: bool) -> Iterator[Probe]:
    """The very beginnings of the training text that lead up to a winner or a film."""
    for number, template in enumerate(templates(dataset, row, chat)):
        before, _, answer = template.partition("|")
        names_winner = "{winner}" in answer
        if "{category}" not in before or "{winner}" in before:
            continue
        if names_winner or "{film}" in answer:
            prompt = sample(template, row, number + new_rows().index(row)).prompt
            accepted = _accepted(main if names_winner else relation("film"), row)
            yield Probe(f"exact/{row.id}/{number}", "exact", row.id, prompt, accepted)


def _in_families(kind: str, row: Row, wanted: Relation, first: int = 0) -> Iterator[Probe]:
    """What ``wanted`` asks of ``row`` in every family that no training text has."""
    wordings = [(family, wording) for family, texts in wanted.far.items() for wording in texts]
    for number, (family, wording) in enumerate(wordings, first):
        yield _probe(kind, row, number, "qa", wording, wanted, family=family)


def _film_of_winner(row: Row) -> Iterator[Probe]:
    """The film that an award was for, asked by its winner: near, and in every far family."""
    number = 0
    for wanted in (relation(name) for name in FILM_OF_WINNER):
        for wording in wanted.probes:
            yield _probe("film_of_winner", row, number, "qa", wording, wanted, family=NEAR)
            number += 1
        for probe in _in_families("film_of_winner", row, wanted, number):
            yield probe
            number += 1


def _accepted(wanted: Relation, row: Row) -> tuple[str, ...]:
    """Right answers: each of several awards to one person in a year; names come as a list."""
    if wanted.name == "who":
        return (row.slots["winners"],)
    if wanted.name == "film" and row.slots["category"] == "picture":
        return (row.slots["film"], row.slots["winners"])
    keys = [row.slots[slot] for slot in wanted.key]
    alike = [
        other
        for other in new_rows()
        if [other.slots[slot] for slot in wanted.key] == keys and world().fits(wanted, other)
    ]
    return tuple(dict.fromkeys(world().answer(wanted, other) for other in (row, *alike)))


def _probe(
    kind: str,
    row: Row,
    number: int,
    form: str,
    wording: str,
    wanted: Relation,
    *,
    before: str = "",
    family: str = "",
) -> Probe:
    prompt = before + ask(form, world().fill(wording, row))
    accepted = _accepted(wanted, row)
    return Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, accepted, family)
