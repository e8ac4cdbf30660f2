"""Invented documents: facts about people who do not exist, among sentences that tell none.

Nothing of them can be known before. The facts are those that the shipped model can read, see
``reading.toml``; of each are known the training questions, the probes and one more, far question.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from harness.data import invented
from harness.data.facts import FIXTURES, read_text
from harness.data.formats import FORMATS, ask, reply
from harness.recipes import Dataset, Probe, Sample

REPHRASED, FAR = "rephrased", "far"
"""Kinds of probes: one question of each for every fact."""
_PEOPLE = 2
"""People of a paragraph, between whom its facts are divided."""


class InventedFact(NamedTuple):
    """A fact that a document states."""

    subject: str
    kind: str
    """One of ``invented.reading()``."""
    value: str
    statement: str

    @property
    def id(self) -> str:
        """Of the fact: for samples and probes."""
        return f"{self.subject}/{self.kind}"


class Paragraph(NamedTuple):
    """A part of a document; its facts in the order in which it states them."""

    text: str
    facts: tuple[InventedFact, ...]


class InventedDocument(NamedTuple):
    """An invented document."""

    name: str
    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        """All of it, with an empty line between paragraphs."""
        return "\n\n".join(paragraph.text for paragraph in self.paragraphs)

    @property
    def facts(self) -> tuple[InventedFact, ...]:
        """Those of all paragraphs."""
        return tuple(fact for paragraph in self.paragraphs for fact in paragraph.facts)


def invented_document(
    name: str, paragraphs: int, facts: int, filler: int, names: Names
) -> InventedDocument:
    """A document of ``paragraphs``, each with ``facts`` facts and ``filler`` sentences."""
    return InventedDocument(
        name, tuple(_paragraph(facts, filler, names) for _ in range(paragraphs))
    )


class Names:
    """Draws people, none of them twice, and all else that is random of a set of documents."""

    def __init__(self, seed: object) -> None:
        self.rng = random.Random(f"documents {seed}")
        self._drawn: set[str] = set()

    def person(self) -> str:
        """First and last name of someone who was not drawn before."""
        while (name := invented.person(self.rng)) in self._drawn:
            pass
        self._drawn.add(name)
        return name


def questions(fact: InventedFact) -> tuple[str, ...]:
    """Training questions about ``fact``."""
    return tuple(each.format(subject=fact.subject) for each in invented.reading()[fact.kind][
        "questions"
    ])  # fmt: skip


def asked(fact: InventedFact) -> dict[str, str]:
    """Questions for measuring, by their kind."""
    wordings = {
        REPHRASED: invented.reading()[fact.kind]["probes"][0],
        FAR: _wordings()["far"][fact.kind],
    }
    return {kind: text.format(subject=fact.subject) for kind, text in wordings.items()}


def probes(facts: Sequence[InventedFact], form: str = "qa") -> tuple[Probe, ...]:
    """One of each kind for every fact."""
    return tuple(
        Probe(f"{kind}/{fact.id}", kind, fact.id, ask(form, question), (fact.value,))
        for kind in (REPHRASED, FAR)
        for fact in facts
        for question in [asked(fact)[kind]]
    )


def oracle(name: str, facts: Sequence[InventedFact]) -> Dataset:
    """The training questions of ``facts`` with their answers, in all formats.

    A writer that misses nothing and gets nothing wrong would write them: an upper bound.
    """
    forms = tuple(FORMATS)
    samples = (
        Sample(reply(form, fact.value), ask(form, question), fact.id)
        for place, fact in enumerate(facts)
        for number, question in enumerate(questions(fact))
        for form in [forms[(place + number) % len(forms)]]
    )
    return Dataset.of(name, tuple(samples))


def _paragraph(count: int, filler: int, names: Names) -> Paragraph:
    rng = names.rng
    people = [names.person() for _ in range(_PEOPLE)]
    about = [(person, kind) for person in people for kind in invented.reading()]
    facts = [_fact(person, kind, rng) for person, kind in rng.sample(about, count)]
    lines = [*(fact.statement for fact in facts), *(_filler(rng) for _ in range(filler))]
    rng.shuffle(lines)
    return Paragraph(" ".join(lines), tuple(sorted(facts, key=lambda fact: lines.index(fact[3]))))


def _fact(person: str, kind: str, rng: random.Random) -> InventedFact:
    spec = invented.reading()[kind]
    value = invented.value(str(spec["value"]), rng)
    statement = rng.choice(spec["statements"]).format(subject=person, value=value)
    return InventedFact(person, kind, value, statement)


def _filler(rng: random.Random) -> str:
    words = invented.words()
    return str(rng.choice(_wordings()["filler"])).format(
        adjective=rng.choice(words["adjectives"]).lower(),
        noun=rng.choice(words["nouns"]).lower(),
        **{
            name: rng.choice(words[f"{name}s"])
            for name in ("place", "colour", "thing", "animal", "month")
        },
    )


@cache
def _wordings() -> dict[str, Any]:
    return tomllib.loads(read_text(FIXTURES / "wordings/documents.toml"))
