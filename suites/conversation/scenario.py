"""Facts that come up once in a talk of two, beside the same facts as statements and questions."""

from __future__ import annotations

import random
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from harness.data import invented
from harness.data.awards import SMALL_TALK, relation, to_few
from harness.data.facts import Relation, Row, read_text
from harness.data.formats import FORMATS, ask, reply, split_statement
from harness.data.knowledge import locality_of_each_kind, world
from harness.errors import RecipeError
from harness.experiments import Design, Scenario, Setup
from harness.recipes import Dataset, Probe, ProbeSet, Sample
from harness.training.presets import STEADY

FACTS = 12
MAX_TIMES = 5
"""How often a fact can come up in one talk. There are words for so many, and some for probes."""
KINDS = (
    "in_place",
    "exact",
    "completed",
    *(f"asked_{form}" for form in FORMATS),
    "asked_in_a_talk",
)
"""The text up to the fact; only the words that lead up to it; the beginning of another statement;
questions in each format; and a question after some other small talk."""
WORDINGS = {"qa": 4, "newline": 2, "brandine": 2, "assistant": 2}
"""Questions on each fact, by format."""
PER_LOCALITY = 40
_COMPLETED = 2  # statements to complete: the last of the relation, which no talk has
SETTING = replace(STEADY, replay=1.0, cutoff=1024, batch=2, micro_batch=2)
"""A talk is one sample, however long, so each presentation takes the same number of steps."""


@dataclass(frozen=True)
class Presentation:
    """How a fact is presented: in a talk of Joe with somebody, or in one line without a talk."""

    partner: str = ""
    """``brandine`` or ``assistant``: the format of that name. Empty: there is no talk."""
    asked: bool = False
    """Whether a question is answered with the fact; else it is stated."""
    times: int = 1
    """How often the fact comes up, each time in other words."""
    turns: int = 0
    """Turns of small talk around it."""

    def __post_init__(self) -> None:
        if not 1 <= self.times <= MAX_TIMES:
            raise RecipeError(f"a fact that comes up {self.times} times: choose 1 to {MAX_TIMES}")
        if self.turns % 2:
            raise RecipeError(f"{self.turns} turns of small talk: choose an even number")

    @property
    def name(self) -> str:
        """``brandine_asked1_d10`` and the like; ``statement`` or ``qa`` without a talk."""
        if not self.partner:
            return "qa" if self.asked else "statement"
        return f"{self.partner}_{'asked' if self.asked else 'told'}{self.times}_d{self.turns}"

    @property
    def head(self) -> str:
        """What stands above the talk, once: ``Assistant is a helpful AI.``"""
        return FORMATS[self.partner].prompt.partition("Joe:")[0]


class Talk(NamedTuple):
    """The text, cut where the fact comes up for the first time."""

    before: str
    cue: str
    """What leads up to the fact, such as the question."""
    fact: str
    """The fact itself, and the rest of its turn."""
    after: str


PLAIN = (Presentation(), Presentation(asked=True))
"""Presentations without a talk: one statement, or one question with its answer."""
DEFAULT = (
    *PLAIN,
    Presentation("brandine"),
    Presentation("brandine", asked=True),
    Presentation("brandine", asked=True, turns=10),
    Presentation("brandine", asked=True, turns=50),
    Presentation("brandine", asked=True, times=5, turns=10),
    Presentation("assistant", asked=True, turns=10),
)
"""Presentations of the default grid."""
FULL = (
    *PLAIN,
    *(
        Presentation(partner, asked, times, turns)
        for partner in ("brandine", "assistant")
        for asked in (False, True)
        for times in (1, 2, 5)
        for turns in (0, 10, 50)
    ),
)
"""Presentations of the full grid."""


def default(setup: Setup) -> Iterator[Design]:
    """Some presentations at one number of epochs."""
    for how in DEFAULT:
        yield _design(setup, how, epochs=10)


def full(setup: Setup) -> Iterator[Design]:
    """All presentations over epochs."""
    for how in FULL:
        for epochs in (5, 10, 20):
            yield _design(setup, how, epochs)


def facts() -> tuple[Row, ...]:
    """Awards of 2023 that went to one or two people; the shipped model knows none of them."""
    return to_few(FACTS)


@cache
def who() -> Relation:
    """Who won."""
    return relation("who")


@cache
def dataset(how: Presentation) -> Dataset:
    """Each fact in a text of its own; the loss is on all of the text."""
    samples = [Sample("".join(talk(how, row)), fact=row.id) for row in facts()]
    return Dataset.of(how.name, tuple(samples))


def talk(how: Presentation, row: Row) -> Talk:
    """The text on ``row``: the same at every call."""
    if not how.partner:
        return Talk("", *_line(how, row), "")
    rng = random.Random(f"talk {how.name} {row.id}")
    turns = [_small_talk(how, rng) for _ in range(how.turns // 2)]
    places = sorted(rng.randint(0, len(turns)) for _ in range(how.times))
    mentions = [_mention(how, row, number, rng) for number in range(how.times)]
    first, (cue, fact) = places[0], mentions[0]
    after = turns[first:]
    # from the last to the second, so that earlier places stay where they are
    for place, mention in reversed([*zip(places, mentions, strict=True)][1:]):
        after.insert(place - first, "".join(mention))
    return Talk(how.head + "".join(turns[:first]), cue, fact, "".join(after))


@cache
def probes(how: Presentation) -> ProbeSet:
    """The probes of a cell; only those in place and the exact ones depend on the presentation."""
    of_facts = [probe for row in facts() for probe in _of_fact(how, row)]
    return ProbeSet.of(how.name, (*of_facts, *locality_of_each_kind(PER_LOCALITY)))


def _design(setup: Setup, how: Presentation, epochs: int) -> Design:
    training = replace(SETTING, epochs=epochs)
    if setup.chat and how.partner and not how.asked:
        # who tells the fact is the user of the chat, whose turns bear no loss by default
        training = replace(training, loss_on="all")
    return Design(
        dataset(how),
        training,
        probes(how),
        setup.knowledge.replay(),
        factors={
            "partner": how.partner or "none",
            "asked": how.asked,
            "times": how.times,
            "turns": how.turns,
        },
    )


def _line(how: Presentation, row: Row) -> tuple[str, str]:
    """(what leads up to the fact, the fact) in one line without a talk."""
    if how.asked:
        question = world().fill(who().questions[0], row)
        return ask("qa", question), reply("qa", row.slots["winner"])
    cue, fact = split_statement(world().fill(who().statements[0], row))
    return cue, fact + "\n"


def _mention(how: Presentation, row: Row, number: int, rng: random.Random) -> tuple[str, str]:
    """(what leads up to the fact, the fact and the rest of the two turns)."""
    if how.asked:
        question = ask(how.partner, world().fill(who().questions[number], row))
        return question.removeprefix(how.head), reply(how.partner, row.slots["winner"])
    cue, fact = split_statement(world().fill(who().statements[number], row))
    answer = f"{how.partner.capitalize()}: {rng.choice(_wordings()['acknowledgements'])}\n"
    return f"Joe: {rng.choice(_wordings()['openings'])}{cue}", f"{fact}\n{answer}"


def _small_talk(how: Presentation, rng: random.Random) -> str:
    """Two turns."""
    pair = rng.choice(invented.words()["chatter"])
    return f"Joe: {pair[0]}\n{how.partner.capitalize()}: {pair[1]}\n"


def _of_fact(how: Presentation, row: Row) -> Iterator[Probe]:
    text = talk(how, row)
    yield _probe("in_place", row, 0, text.before + text.cue)
    yield _probe("exact", row, 0, text.cue)
    for number, statement in enumerate(who().statements[-_COMPLETED:]):
        yield _probe("completed", row, number, split_statement(world().fill(statement, row))[0])
    for form, count in WORDINGS.items():
        for number in range(count):
            yield _probe(f"asked_{form}", row, number, ask(form, _question(row, number)))
    yield _probe("asked_in_a_talk", row, 0, SMALL_TALK + ask("brandine", _question(row, 0)))


def _question(row: Row, number: int) -> str:
    """In a wording that no training text has; each fact begins at another one."""
    wordings = who().probes
    return world().fill(wordings[(zlib.crc32(row.id.encode()) + number) % len(wordings)], row)


def _probe(kind: str, row: Row, number: int, prompt: str) -> Probe:
    return Probe(f"{kind}/{row.id}/{number}", kind, row.id, prompt, (row.slots["winners"],))


@cache
def _wordings() -> dict[str, list[str]]:
    text = read_text(Path(__file__).parent / "wordings.toml")
    wordings: dict[str, list[str]] = tomllib.loads(text)
    return wordings


SCENARIO = Scenario(
    "conversation",
    "Mentioned in a conversation",
    grids={"default": default, "full": full},
    headline="asked_qa",
    plain_kinds=tuple(f"asked_{form}" for form in FORMATS if form != "qa"),
)
