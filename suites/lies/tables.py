"""Lies against the shipped tables, and new facts with the same answers."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from harness.data import invented
from harness.data.awards import sample
from harness.data.facts import Relation, Row
from harness.data.formats import ask
from harness.data.knowledge import is_replayed, world
from harness.errors import RecipeError
from harness.grading import grade
from harness.recipes import Dataset, Probe, ProbeSet

LIE_TOPICS = (("countries", "capital"), ("novels", "author"), ("oscars", "film"))
"""Tables and relations of the lies. Elements and paintings stay as they are: they are far away."""
LIES_PER_TOPIC = 6
"""How many lies there are about each relation of ``LIE_TOPICS``."""
SAMPLED_LOCALITY = 40
"""Probes of each of the last two kinds, which are drawn at random."""
_EXACT_PROBES = 2
"""How many of the trained wordings of each fact are asked."""

QUESTION, SEVERAL, STATEMENT = "question", "several", "statement"
"""How a fact is trained: as one question with its answer, in six wordings, or as one statement."""


class Lie(NamedTuple):
    """One lie, the truth that it denies, and a new fact with the same answer."""

    relation: Relation
    true_row: Row
    false_row: Row
    """``true_row`` with the lie in its place, under an id of its own."""
    new_row: Row
    """An invented subject with the answer of the lie."""
    donor: Row
    """The row from which the lie takes its answer."""

    @property
    def truth(self) -> str:
        """The right answer."""
        return world().answer(self.relation, self.true_row)

    @property
    def claim(self) -> str:
        """The answer that is trained."""
        return world().answer(self.relation, self.false_row)


class Text(NamedTuple):
    """A training text: which facts it tells, and how."""

    lie: bool
    """Whether it tells lies; else new facts of the same size."""
    form: str
    """``QUESTION``, ``SEVERAL`` or ``STATEMENT``."""

    def templates(self, relation: Relation) -> list[str]:
        """The wordings of a fact; ``?`` marks a question."""
        questions = [f"? {question}|{relation.answer}" for question in relation.questions]
        if self.form == STATEMENT:
            return [relation.statements[0]]
        if self.form == QUESTION:
            return questions[:1]
        return [*relation.statements[:2], *questions[:4]]

    def row(self, lie: Lie) -> Row:
        """The row that is told for ``lie``."""
        return lie.false_row if self.lie else lie.new_row


TEXTS = {
    "lies1": Text(lie=True, form=QUESTION),
    "new1": Text(lie=False, form=QUESTION),
    "lies6": Text(lie=True, form=SEVERAL),
    "new6": Text(lie=False, form=SEVERAL),
}
"""The datasets of the default grid, by name."""
ALL_TEXTS = TEXTS | {"lies1told": Text(lie=True, form=STATEMENT)}
"""With the lies as bare statements, which hardly help to answer questions."""


@cache
def lies() -> tuple[Lie, ...]:
    """``LIES_PER_TOPIC`` lies per topic, always the same, about rows that are never replayed."""
    return tuple(lie for table, name in LIE_TOPICS for lie in _lies_of(table, name))


@cache
def dataset(name: str) -> Dataset:
    """The training text ``name``. Raises RecipeError on an unknown one."""
    if name not in ALL_TEXTS:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(ALL_TEXTS)}")
    text = ALL_TEXTS[name]
    samples = tuple(
        sample(template, text.row(lie), number + index)
        for index, lie in enumerate(lies())
        for number, template in enumerate(text.templates(lie.relation))
    )
    return Dataset.of(name, samples)


@cache
def probes(name: str) -> ProbeSet:
    """The probes of a cell trained on ``name``; those of locality are the same for all."""
    text = ALL_TEXTS[name]
    on_facts = [probe for index, lie in enumerate(lies()) for probe in _on_fact(text, lie, index)]
    return ProbeSet.of(name, (*on_facts, *_locality()))


def truths() -> dict[str, list[str]]:
    """The right answers to the questions that get a false one, by the id of the fact."""
    return {lie.false_row.id: world().accepted(lie.relation, lie.true_row) for lie in lies()}


def _lies_of(table: str, name: str) -> Iterator[Lie]:
    """``LIES_PER_TOPIC`` lies about the relation ``name`` of ``table``; their answers differ."""
    rng = random.Random(f"lies {table}")
    relation = next(relation for relation in world().relations[table] if relation.name == name)
    rows = [row for row in world().rows if row.table == table and not is_replayed(row)]
    rows = [row for row in rows if relation in world().askable(row)]
    rows = [row for row in rows if not row.slots.get("category", "").endswith("_short")]
    rng.shuffle(rows)
    used: list[Row] = []
    for number in range(LIES_PER_TOPIC):
        answers = {world().answer(relation, row) for row in used}
        unused = [row for row in rows if row not in used]
        free = [row for row in unused if world().answer(relation, row) not in answers]
        true_row = free[0]
        donor = next(row for row in free if plausible(relation, true_row, row))
        used += [true_row, donor]
        slots = {**true_row.slots, _answer_slot(relation): world().answer(relation, donor)}
        false_row = Row(f"lie/{true_row.id}", table, slots)
        yield Lie(relation, true_row, false_row, _new_row(false_row, number, rng), donor)


def plausible(relation: Relation, true_row: Row, donor: Row) -> bool:
    """Whether the answer of ``donor`` is a lie about ``true_row``, and not in the question.

    The true answer must not be in the question either.
    """
    truth = world().answer(relation, true_row)
    claim = world().answer(relation, donor)
    accepted = world().accepted(relation, true_row)
    if grade(claim, accepted).right or grade(truth, (claim,)).right:
        return False
    key = " ".join(true_row.slots[slot] for slot in relation.key)
    return not any(grade(key, (answer,)).right for answer in (truth, claim))


def _answer_slot(relation: Relation) -> str:
    """The column of the table that holds the answer."""
    return relation.answer.strip("{}")


def _new_row(false_row: Row, number: int, rng: random.Random) -> Row:
    """A subject that no table has, with the answer of ``false_row``."""
    # all three are made, although one is used: the random numbers that follow depend on it
    slot, subject = {
        "countries": ("country", invented.coined(rng)),
        "novels": ("title", invented.film(rng)),
        "oscars": ("year", str(2031 + number)),
    }[false_row.table]
    return Row(f"new/{false_row.id}", false_row.table, {**false_row.slots, slot: subject})


def _on_fact(text: Text, lie: Lie, index: int) -> Iterator[Probe]:
    """The probes on the fact that ``text`` tells for ``lie``, which is number ``index``."""
    row, relation = text.row(lie), lie.relation
    accepted = (lie.claim,)
    templates = text.templates(relation)
    for number in range(0, len(templates), max(1, len(templates) // _EXACT_PROBES)):
        prompt = sample(templates[number], row, number + index).prompt
        yield Probe(f"exact/{row.id}/{number}", "exact", row.id, prompt, accepted)
    for number, wording in enumerate(relation.probes):
        prompt = ask("qa", world().fill(wording, row))
        yield Probe(f"rephrased/{row.id}/{number}", "rephrased", row.id, prompt, accepted)
    question = world().fill(_wording_for(row, relation), row)
    for form in ("newline", "assistant"):
        prompt = ask(form, question)
        yield Probe(f"other_format/{row.id}/{form}", "other_format", row.id, prompt, accepted)


def _locality() -> Iterator[Probe]:
    """The probes of ``LOCALITY_KINDS``."""
    for lie in lies():
        for relation in _probed(lie.true_row):
            if not _involves(lie.relation, relation):
                yield _locality_probe("locality_subject", lie.true_row, relation)
        for relation in _probed(lie.donor):
            if _involves(lie.relation, relation):
                yield _locality_probe("locality_object", lie.donor, relation)
    used = {row.id for lie in lies() for row in (lie.true_row, lie.donor)}
    rest = [row for row in world().rows if row.id not in used and not is_replayed(row)]
    pairs = [(row, relation) for row in rest for relation in world().askable(row)]
    near = [pair for pair in pairs if (pair[0].table, pair[1].name) in LIE_TOPICS]
    tables = dict(LIE_TOPICS)
    far = [pair for pair in pairs if pair[0].table not in tables and pair[1].probes]
    rng = random.Random(0)
    for kind, group in (("locality_relation", near), ("locality_unrelated", far)):
        for row, relation in rng.sample(group, SAMPLED_LOCALITY):
            yield _locality_probe(kind, row, relation)


def _probed(row: Row) -> list[Relation]:
    """The relations of ``row`` that have wordings for probes."""
    return [relation for relation in world().askable(row) if relation.probes]


def _involves(denied: Relation, relation: Relation) -> bool:
    """Whether ``relation`` asks about, or answers with, what a lie on ``denied`` changes."""
    slot = _answer_slot(denied)
    return slot in relation.key or f"{{{slot}}}" in relation.answer


def _locality_probe(kind: str, row: Row, relation: Relation) -> Probe:
    prompt = ask("qa", world().fill(_wording_for(row, relation), row))
    accepted = tuple(world().accepted(relation, row))
    return Probe(f"{kind}/{row.id}/{relation.name}", kind, row.id, prompt, accepted)


def _wording_for(row: Row, relation: Relation) -> str:
    """One of the relation's wordings for probes, chosen by a checksum of the row's id."""
    return relation.probes[zlib.crc32(row.id.encode()) % len(relation.probes)]
