"""What a model knows already: facts to replay, and facts to ask about that must not change."""

from __future__ import annotations

import random
import zlib
from collections.abc import Hashable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple, Protocol

from harness.data.facts import Relation, Row, World
from harness.data.formats import FORMATS, ask, reply
from harness.data.rewording import reword
from harness.recipes import Dataset, Probe, Sample

LOCALITY_KINDS = ("locality_year", "locality_neighbour", "locality_unrelated")
_ASKED_IN = ("qa", "newline", "brandine", "assistant")
_RECENT = 2015


class Knowledge(Hashable, Protocol):
    """Facts that one model is taken to know.

    Nothing that is replayed is asked. Which of the questions the model gets right is measured in
    every run: ``known`` in the tables is that share, and locality compares with it.
    """

    @property
    def taught(self) -> bool:
        """Whether the model was trained on these very facts; else it may not know them."""
        ...

    def replay(self, count: int = 8000, seed: int = 0) -> Dataset:
        """Questions with their answers, to be trained beside what is new."""
        ...

    def questions(self) -> tuple[Probe, ...]:
        """Questions with accepted answers, of the kinds ``locality_*``."""
        ...


class TableKnowledge(NamedTuple):
    """The facts in ``fixtures/facts``: awards, countries, elements, novels, paintings.

    One half of the rows may be replayed; the other half is asked about.
    """

    taught: bool

    def replay(self, count: int = 8000, seed: int = 0) -> Dataset:
        """Questions in all formats; none is one that locality is measured on."""
        return replay(count, seed)

    def questions(self) -> tuple[Probe, ...]:
        """Other years, the same films and people, and other matters altogether."""
        return locality_questions()


@cache
def world() -> World:
    """The tables."""
    return World()


def is_replayed(row: Row) -> bool:
    """Whether ``row`` may be replayed; the other half measures locality, so no row does both."""
    return zlib.crc32(f"replay {row.id}".encode()) % 2 == 0


@cache
def replayable() -> tuple[Row, ...]:
    """All rows that may be replayed and that something can be asked about."""
    return tuple(row for row in world().rows if is_replayed(row) and world().askable(row))


@cache
def replay(count: int = 8000, seed: int = 0) -> Dataset:
    """Questions on known facts, each with its answer, in all formats."""
    rng = random.Random(seed)
    rows = (rng.choice(replayable()) for _ in range(count))
    samples = (known_fact(row, rng.choice(world().askable(row)), rng) for row in rows)
    return Dataset.of("replay", tuple(samples))


def known_fact(row: Row, relation: Relation, rng: random.Random, reworded: bool = False) -> Sample:
    """A question with its answer, in a random wording and format; ``reworded``: in other words."""
    form = rng.choice(tuple(FORMATS))
    wording = rng.choice(relation.questions)
    question = world().fill(reword(wording, rng) if reworded else wording, row, rng)
    return Sample(reply(form, world().answer(relation, row)), ask(form, question), row.id)


def some_locality_questions(count: int) -> tuple[Probe, ...]:
    """About ``count``, from all kinds alike."""
    probes = locality_questions()
    return tuple(probes[:: max(1, len(probes) // count)])


def locality_of_each_kind(count: int, without: Iterable[str] = ()) -> Iterator[Probe]:
    """The first ``count`` of each kind, none of them on the facts in ``without``."""
    left_out = set(without)
    probes = [probe for probe in locality_questions() if probe.fact not in left_out]
    for kind in LOCALITY_KINDS:
        yield from islice((probe for probe in probes if probe.kind == kind), count)


@cache
def locality_questions() -> tuple[Probe, ...]:
    """What no suite trains on: other years, the same films and people, other matters."""
    return tuple(_locality())


def _locality() -> Iterator[Probe]:
    rng = random.Random(0)
    oscars = [row for row in world().rows if row.table == "oscars" and not is_replayed(row)]
    others = [row for row in world().rows if row.table != "oscars" and not is_replayed(row)]
    recent = [row for row in oscars if int(row.slots["year"]) >= _RECENT]
    for kind, rows, count in (
        ("locality_year", oscars, 120),
        ("locality_neighbour", recent, 60),
        ("locality_unrelated", others, 120),
    ):
        for number in range(count):
            row = rng.choice(rows)
            relation = rng.choice([each for each in world().askable(row) if each.probes])
            question = world().fill(rng.choice(relation.probes), row)
            prompt = ask(rng.choice(_ASKED_IN), question)
            answer = world().answer(relation, row)
            yield Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, (answer,))
