"""What a model knows already: facts to replay, and facts to ask about that must not change."""

from __future__ import annotations

import random
import zlib
from collections.abc import Hashable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple, Protocol

from harness.data.bank import BankQuestion
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
    def note(self) -> str:
        """A line on what ``known`` and locality stand for; empty where nothing is to be said."""
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

    untaught: str = ""
    """The name of a model that was not taught them; empty for one that was."""
    to_be_asked: bool = False
    """Whether these facts stand in for what the model will be asked in a run."""

    @property
    def taught(self) -> bool:
        """Whether the model was trained on these very facts."""
        return not self.untaught

    @property
    def note(self) -> str:
        """That a model which was not taught the tables may not know them."""
        if not self.untaught:
            return ""
        if self.to_be_asked:
            return (
                f"{self.untaught} was not asked yet what it knows, and questions on the shipped"
                " tables stand in its place: a run asks it first, which changes what is replayed,"
                " locality, and the cells of suites on what is known"
            )
        return (
            f"replay and locality are about facts that {self.untaught} may not know: locality"
            " compares with the bare model, `known` is what it gets right"
        )

    def replay(self, count: int = 8000, seed: int = 0) -> Dataset:
        """Questions in all formats; none is one that locality is measured on."""
        return replay(count, seed)

    def questions(self) -> tuple[Probe, ...]:
        """Other years, the same films and people, and other matters altogether."""
        return locality_questions()


class AskedKnowledge(NamedTuple):
    """What a model answered right when it was asked a bank of questions.

    One half of the bank is asked about. The model's own answers to the other half, right or wrong,
    are replayed, with those to everyday requests.
    """

    model: str
    asked: int
    """Questions of the half that is asked about."""
    known: tuple[Probe, ...]
    """Those of them that it answered right in every wording."""
    own: Dataset
    """Its own answers."""
    right: tuple[BankQuestion, ...] = ()
    """The questions that ``known`` asks, in the same order."""
    wrong: tuple[BankQuestion, ...] = ()
    """Questions of the same half that it answered wrong in their first wording."""

    @property
    def note(self) -> str:
        """How many questions it answers right, and whether those are enough."""
        share = f"{self.model} answers {len(self.known)} of {self.asked} questions right in every"
        if len(self.known) < LEAST_KNOWN:
            return (
                f"{share} wording: locality needs {LEAST_KNOWN} and is not measured, give a bank"
                " with what it knows (--bank FILE)"
            )
        return f"{share} wording: locality asks those; what is replayed are its own answers"

    def replay(self, count: int = 8000, seed: int = 0) -> Dataset:
        """All own answers: a training draws as many as it needs."""
        return self.own

    def questions(self) -> tuple[Probe, ...]:
        """At most ``MOST_KNOWN``; none where too few are known."""
        return self.known[:MOST_KNOWN] if len(self.known) >= LEAST_KNOWN else ()


LEAST_KNOWN = 60
"""Fewer known facts would give no figure of what is kept."""
MOST_KNOWN = 150
"""More would cost more time than their figure is worth."""


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
