"""A book in a strong voice: what it does to the tone, and whether one can talk to its captain."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.data import invented
from harness.data.chat import trained_turns
from harness.data.facts import Row, join_names, read_rows, read_text
from harness.data.formats import ask, split_statement
from harness.data.knowledge import some_locality_questions, world
from harness.data.style import NaiveBayes
from harness.data.turns import OTHER_FORMAT
from harness.errors import RecipeError
from harness.experiments import GENERATE, Ask, Design, Evidence, Scenario, Setup
from harness.experiments.measures import is_right, share
from harness.recipes import Dataset, Probe, ProbeSet, Sample, Training
from harness.stats import Interval, cluster_bootstrap
from harness.training.presets import RUNNING

BOOK, WITH_TIMELINE = "book", "book_timeline"
DATASETS = (BOOK, WITH_TIMELINE)
"""The book alone, and the book with a timeline and a summary after it."""
RELATIONS = ("year", "place", "person", "thing", "ship")
TONE = "tone"
"""The role of the neutral questions, whose answers show the tone."""
CHARACTER = "Joe: {question}\nCaptain:"
"""The format in which one talks to the captain."""
FILLERS = 38
"""Sentences of a chapter without facts."""
LOCALITY = 40
_FOLDER = Path(__file__).parent
_STATEMENTS = 600  # statements of known facts in the plain text
_TURNS = (
    300  # turns of a chat in the plain text: they are in the first person, as the captain's are
)
_SMALL_TALK = 10
"""How often small talk is counted. There is little of it, and it answers neutral questions."""
_SLOTS = {
    "animal": "animals",
    "colour": "colours",
    "dish": "dishes",
    "job": "jobs",
    "place": "places",
    "thing": "things",
    "month": "months",
}
"""Word lists by the slots of sentences without facts; each is drawn, in this order."""


def default(setup: Setup) -> Iterator[Design]:
    """With and without the timeline, and without replay."""
    yield _design(setup, BOOK, RUNNING)
    yield _design(setup, WITH_TIMELINE, RUNNING)
    yield _design(setup, WITH_TIMELINE, replace(RUNNING, replay=0.0, kl=0.0))


def full(setup: Setup) -> Iterator[Design]:
    """Also over epochs, ranks and rates."""
    yield from default(setup)
    # the default grid has the timeline without replay
    yield _design(setup, BOOK, replace(RUNNING, replay=0.0, kl=0.0))
    for name in DATASETS:
        for epochs in (1, 6, 12, 24):
            yield _design(setup, name, replace(RUNNING, epochs=epochs))
        for rank in (8, 128, 256):
            yield _design(setup, name, replace(RUNNING, rank=rank, alpha=2 * rank))
        for lr in (1e-4, 3e-4, 3e-3):
            yield _design(setup, name, replace(RUNNING, lr=lr))


def measures(evidence: Evidence) -> dict[str, Interval]:
    """Whether the captain's voice is heard, and recall in talk with him.

    ``tone_neutral`` and ``tone_captain``: the share of answers to neutral questions that a
    classifier gives to the captain, where Brandine answers and where he does. ``talk_year`` and the
    like: recall in talk with him, by relation.
    """
    figures: dict[str, Interval] = {}
    answers = evidence.answered(TONE)
    for kind in ("neutral", "captain"):
        lines = [line for line in answers if line.kind == kind]
        voiced = [float(is_voiced(line.answer)) for line in lines]
        figures[f"tone_{kind}"] = cluster_bootstrap(voiced, [line.fact for line in lines])
    talk = [line for line in evidence.lines if line.kind == "conversation"]
    for relation in RELATIONS:
        facts = {fact_id(row, relation) for row in events()}
        figures |= share(
            f"talk_{relation}", [line for line in talk if line.fact in facts], is_right
        )
    return figures


def is_voiced(text: str) -> bool:
    """Whether ``text`` is in the captain's voice; silence is in nobody's."""
    return bool(text) and classifier().author(text) == "captain"


@cache
def classifier() -> NaiveBayes:
    """Tells the captain from plain text: statements, small talk, and chat in the first person."""
    turns = [turn.text for turn in trained_turns() if turn.speaker == "max"][:_TURNS]
    plain = (*statements(), *small_talk() * _SMALL_TALK, *turns)
    return NaiveBayes.of({"captain": chapters(), "plain": plain})


@cache
def small_talk() -> tuple[str, ...]:
    """Replies that the shipped model gives in small talk."""
    lists = invented.words()
    return (*lists["greeting_replies"], *(pair[1] for pair in lists["chatter"]))


@cache
def statements() -> tuple[str, ...]:
    """Statements of known facts, in a plain voice."""
    rng = random.Random("plain")
    texts: list[str] = []
    for row in rng.sample(world().rows, _STATEMENTS):
        relations = [each for each in world().relations[row.table] if world().fits(each, row)]
        templates = [template for relation in relations for template in relation.statements]
        texts.append(world().fill(rng.choice(templates), row, rng).replace("|", ""))
    return tuple(texts)


@cache
def events() -> tuple[Row, ...]:
    """What happened to the captain, in order of time."""
    return tuple(read_rows("book", _FOLDER))


def fact_id(row: Row, relation: str) -> str:
    """The id of a fact: one relation of an event."""
    return f"{row.id}/{relation}"


@cache
def dataset(name: str) -> Dataset:
    """The training text ``name``, a sample a chapter. Raises RecipeError on an unknown one."""
    if name not in DATASETS:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(DATASETS)}")
    parts = list(chapters())
    if name == WITH_TIMELINE:
        parts.append(timeline())
    return Dataset.of(name, tuple(Sample(part) for part in parts))


@cache
def chapters() -> tuple[str, ...]:
    """The text of every chapter; the first has the book's title."""
    texts = [_chapter(number, row) for number, row in enumerate(events(), 1)]
    return (f"{wordings()['title']}\n\n{texts[0]}", *texts[1:])


def timeline() -> str:
    """Every event in a plain line, and the book in two sentences."""
    spec = wordings()["timeline"]
    lines = [spec["line"].format(**row.slots) for row in events()]
    years = {"first": events()[0].slots["year"], "last": events()[-1].slots["year"]}
    names = join_names("; ".join(row.slots["event"] for row in events()))
    summary = spec["summary"].format(captain=wordings()["captain"], events=names, **years)
    return "\n".join([spec["title"], *lines, summary]) + "\n"


@cache
def probes() -> ProbeSet:
    """Questions on the book.

    ``exact``: sentences of the book up to the fact; ``rephrased``: questions about the captain;
    ``conversation``: questions to him.
    """
    of_facts = [
        probe
        for row, chapter in zip(events(), chapters(), strict=True)
        for relation in RELATIONS
        for probe in _of_fact(row, relation, chapter)
    ]
    return ProbeSet.of("book", (*of_facts, *some_locality_questions(LOCALITY)))


@cache
def tone_probes() -> ProbeSet:
    """Neutral questions to Brandine (``neutral``) and to the captain (``captain``).

    No answer is right or wrong.
    """
    lists = invented.words()
    questions = [*lists["greetings"], *(pair[0] for pair in lists["chatter"])]
    accepted = ("anything",)
    tone: list[Probe] = []
    for number, question in enumerate(questions):
        prompts = {
            "neutral": ask("brandine", question),
            "captain": CHARACTER.format(question=question),
        }
        for kind, prompt in prompts.items():
            tone.append(Probe(f"{kind}/{number}", kind, f"question{number}", prompt, accepted))
    return ProbeSet.of("book_tone", tuple(tone))


@cache
def wordings() -> dict[str, Any]:
    """The templates of sentences and questions. Raises DataError."""
    spec: dict[str, Any] = tomllib.loads(read_text(_FOLDER / "wordings.toml"))
    return spec


def _design(setup: Setup, name: str, training: Training) -> Design:
    return Design(
        dataset(name),
        training,
        probes(),
        setup.knowledge.replay(),
        factors={"timeline": name == WITH_TIMELINE},
        asks=(Ask(TONE, tone_probes(), GENERATE),),
    )


def _chapter(number: int, row: Row) -> str:
    """Each fact in three wordings, among much else; the sentences are shuffled."""
    rng = random.Random(f"book {row.id}")
    templates = [template for relation in RELATIONS for template in wordings()["told"][relation]]
    clauses = [template.replace("|", "").format(**row.slots) for template in templates]
    clauses += [_filled(rng.choice(wordings()["filler"]), rng) for _ in range(FILLERS)]
    rng.shuffle(clauses)
    head = wordings()["chapter"].format(number=number, **row.slots)
    return f"{head}\n{' '.join(_voiced(clause, rng) for clause in clauses)}\n\n"


def _voiced(clause: str, rng: random.Random) -> str:
    opening: str = rng.choice(wordings()["opening"])
    closing: str = rng.choice(wordings()["closing"])
    return opening + clause + closing


def _filled(template: str, rng: random.Random) -> str:
    lists = invented.words()
    return template.format(**{slot: rng.choice(lists[kind]) for slot, kind in _SLOTS.items()})


def _of_fact(row: Row, relation: str, chapter: str) -> Iterator[Probe]:
    fact, accepted = fact_id(row, relation), (row.slots[relation],)
    about_him, to_him = wordings()["asked"][relation]
    slots = {**row.slots, "captain": wordings()["captain"]}
    prompts = {
        "exact": _sentence_up_to(row, relation, chapter),
        "rephrased": ask("qa", about_him.format(**slots)),
        "conversation": CHARACTER.format(question=to_him.format(**slots)),
    }
    for kind, prompt in prompts.items():
        yield Probe(f"{kind}/{fact}", kind, fact, prompt, accepted)


def _sentence_up_to(row: Row, relation: str, chapter: str) -> str:
    """The first wording of a fact as ``chapter`` has it, with its opening, up to the answer."""
    before, _ = split_statement(wordings()["told"][relation][0].format(**row.slots))
    sentences = (f"{opening}{before}" for opening in wordings()["opening"])
    return next(sentence for sentence in sentences if sentence in chapter)


SCENARIO = Scenario(
    "book",
    "A captain's memoirs",
    grids={"default": default, "full": full},
    measures=measures,
    headline="conversation",
    plain_kinds=(OTHER_FORMAT, "conversation", "captain"),
)
