"""The mixture of training documents of the shipped model.

The calls of ``rng`` and their order fix the text that the shipped weights were trained on.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

from harness.data import invented
from harness.data.facts import Relation, Row, World
from harness.data.rewording import question
from harness.errors import DataError
from harness.pocket import _judging, _reading
from harness.pocket._parts import Document, Segment, any_format, statement, turn, turns

TABLE_SHARES = {
    "oscars": 0.64,
    "countries": 0.14,
    "elements": 0.08,
    "novels": 0.09,
    "paintings": 0.05,
}
"""Shares of the fact tables."""
RELATION_WEIGHTS = {"who": 4.0, "film": 2.0, "award": 2.0, "film_of_winner": 1.5}
"""How often a relation is used; 1 for all others."""

SHARES: dict[str, tuple[float, float]] = {
    "statements": (0.20, 0.13),
    "questions": (0.35, 0.40),
    "talk": (0.03, 0.04),
    "reading": (0.12, 0.25),
    "judging": (0.02, 0.14),
    "choice": (0.01, 0.02),
    "chatter": (0.03, 0.01),
    "story": (0.02, 0.01),
    "repeat": (0.22, 0.01),
}
"""Shares of the kinds of documents, in the first part of the training and later.

Reading and judging depend on copying. The model did not learn to copy beside the facts, so most of
``repeat`` comes first.
"""


class Mixture:
    """Random training documents.

    Up to the share ``asked_from`` of the training, half of the facts are only in statements and not
    in questions. A model that later learns to answer questions about such facts can do so for the
    facts of an adapter, too (Allen-Zhu & Li, Physics of Language Models 3.1).

    ``copying``: the share of the training with the first column of ``SHARES``.
    ``only``: ``judging`` for documents of that kind alone. ``shares``: see ``_shares``.

    Raises:
        DataError: ``shares`` cannot be read.
    """

    def __init__(
        self,
        world: World,
        asked_from: float = 0.4,
        copying: float = 0.12,
        only: str = "",
        shares: str = "",
    ) -> None:
        self.world = world
        self.only = only
        self._shares = _shares(shares)
        self.asked_from = asked_from
        self.copying = copying
        self._askable = {row.id: world.askable(row) for row in world.rows}
        self._rows = {
            table: [row for row in world.rows if row.table == table and self._askable[row.id]]
            for table in TABLE_SHARES
        }

    def document(self, rng: random.Random, progress: float) -> Document:
        """One document; ``progress`` is the share of the training that is done, 0 to 1."""
        if self.only == "judging":
            return _judging.document(self.world, rng, judge_share=0.8)
        column = int(progress >= self.copying)
        shares = [share[column] for share in self._shares.values()]
        kind = rng.choices(tuple(SHARES), shares)[0]
        makers: dict[str, Callable[[random.Random, float], Document]] = {
            "statements": self._statements,
            "questions": self._questions,
            "talk": self._talk,
            "choice": self._choice,
        }
        if kind in makers:
            return makers[kind](rng, progress)
        if kind == "reading":
            return _reading.document(self.world, rng)
        if kind == "judging":
            return _judging.document(self.world, rng)
        return {"chatter": _chatter, "story": _story, "repeat": _repeat}[kind](rng)

    def long_document(self, rng: random.Random) -> Document:
        """A long passage with questions."""
        return _reading.document(self.world, rng, long=True)

    def row(self, rng: random.Random) -> Row:
        """A random fact."""
        table = rng.choices(tuple(TABLE_SHARES), tuple(TABLE_SHARES.values()))[0]
        return rng.choice(self._rows[table])

    def is_asked(self, row: Row, progress: float) -> bool:
        """Whether there are questions about ``row`` at this point of the training."""
        return progress >= self.asked_from or not only_told(row)

    def _asked_row(self, rng: random.Random, progress: float) -> Row:
        row = self.row(rng)
        while not self.is_asked(row, progress):
            row = self.row(rng)
        return row

    def _relation(self, row: Row, rng: random.Random) -> Relation:
        relations = self._askable[row.id]
        weights = [RELATION_WEIGHTS.get(relation.name, 1.0) for relation in relations]
        return rng.choices(relations, weights)[0]

    def _statements(self, rng: random.Random, progress: float) -> Document:
        document: Document = []
        for _ in range(rng.randint(1, 3)):
            row = self.row(rng)
            fitting = [r for r in self.world.relations[row.table] if self.world.fits(r, row)]
            relations = [relation for relation in fitting if relation.statements]
            weights = [RELATION_WEIGHTS.get(relation.name, 1.0) for relation in relations]
            template = rng.choice(rng.choices(relations, weights)[0].statements)
            text = self.world.fill(template, row, rng)
            document += statement(text, train_prompt=rng.random() < 0.1)
        return document

    def _pair(self, rng: random.Random, progress: float) -> tuple[str, str]:
        """A question and its answer."""
        row = self._asked_row(rng, progress)
        relation = self._relation(row, rng)
        text = self.world.fill(question(relation, rng), row, rng)
        return text, self.world.answer(relation, row)

    def _questions(self, rng: random.Random, progress: float) -> Document:
        return turns([self._pair(rng, progress) for _ in range(rng.choice((1, 1, 1, 2, 3)))], rng)

    def _talk(self, rng: random.Random, progress: float) -> Document:
        """Small talk with questions in it."""
        pairs = [self._pair(rng, progress) for _ in range(rng.randint(1, 2))]
        lists = invented.words()
        talk = [rng.choice(lists["chatter"]) for _ in range(rng.randint(1, 2))]
        return turns([*((line[0], line[1]) for line in talk), *pairs], rng)

    def _choice(self, rng: random.Random, progress: float) -> Document:
        """The question which of two statements is true, and its answer."""
        row = self._asked_row(rng, progress)
        relations = self._askable[row.id]
        relation = rng.choice([r for r in relations if r.statements] or relations)
        if not relation.statements:
            return self._questions(rng, progress)
        true = self.world.fill(rng.choice(relation.statements), row).replace("|", "")
        answer = self.world.answer(relation, row)
        wrong = self.world.answer(relation, rng.choice(self._rows[row.table]))
        if wrong in self.world.accepted(relation, row) or answer not in true:
            return self._questions(rng, progress)
        false = true.replace(answer, wrong)
        true_is_first = rng.random() < 0.5
        first, second = (true, false) if true_is_first else (false, true)
        text = f"Which statement is true? A: {first} B: {second}"
        return turn(text, "A" if true_is_first else "B", any_format(rng))


def _shares(text: str) -> dict[str, tuple[float, float]]:
    """``SHARES`` with the changes in ``text``, such as ``reading=0.4,judging=0.2``.

    The other kinds keep their proportions.

    Raises:
        DataError: a kind is unknown, a share is not a number, or nothing is left for the others.
    """
    if not text:
        return SHARES
    try:
        named = {kind: float(share) for kind, share in (p.split("=") for p in text.split(","))}
    except ValueError:
        raise DataError(
            f"--shares {text} cannot be read: write KIND=SHARE, separated by commas"
        ) from None
    if unknown := sorted(named.keys() - SHARES.keys()):
        raise DataError(
            f"--shares {text}: {unknown[0]!r} is unknown, choose one of {', '.join(SHARES)}"
        )
    rest = 1 - sum(named.values())
    others = [share for kind, share in SHARES.items() if kind not in named]
    if min(named.values()) < 0 or not 0 < rest < 1 or not others:
        raise DataError(f"--shares {text}: each must be at least 0, and their sum below 1")
    early = sum(share[0] for share in others)
    late = sum(share[1] for share in others)
    shares = {}
    for kind, (first, later) in SHARES.items():
        if kind in named:
            shares[kind] = (named[kind], named[kind])
        else:
            shares[kind] = (first * rest / early, later * rest / late)
    return shares


def only_told(row: Row) -> bool:
    """Whether ``row`` is in the half of the facts that has only statements at first."""
    return zlib.crc32(row.id.encode()) % 2 == 1


def _chatter(rng: random.Random) -> Document:
    """Small talk."""
    lists = invented.words()
    pairs = []
    if rng.random() < 0.5:
        pairs.append((rng.choice(lists["greetings"]), rng.choice(lists["greeting_replies"])))
    pairs += [(line[0], line[1]) for line in rng.sample(lists["chatter"], rng.randint(1, 3))]
    return turns(pairs, rng)


def _repeat(rng: random.Random) -> Document:
    """Copying of names, or of unrelated words."""
    lists = invented.words()
    if rng.random() < 0.4:
        text = rng.choice((invented.people, invented.film, invented.person))(rng)
    else:
        kinds = ("first", "last", "nouns", "things", "cities", "places", "adjectives", "animals")
        text = " ".join(
            invented.coined(rng) if rng.random() < 0.3 else rng.choice(lists[rng.choice(kinds)])
            for _ in range(rng.randint(3, 25))
        )
    template = rng.choice(("Repeat after me: {}", "Say this again: {}", "Copy: {}", "{}"))
    return turn(template.format(text), text, any_format(rng))


def _story(rng: random.Random) -> Document:
    """A short story about a person or an animal."""
    lists = invented.words()
    name, friend = rng.sample(lists["first"], 2)
    animal = rng.choice(lists["animals"])
    thing = rng.choice(lists["things"])
    place = rng.choice(lists["places"])
    colour = rng.choice(lists["colours"])
    starts = (
        (
            f"Once upon a time there was a {animal} called {name}. {name} lived near the {place}"
            f" with a {colour} {thing}."
        ),
        f"{name} was a {animal} with a {colour} {thing}. Every day {name} went to the {place}.",
    )
    middles = (
        f"One day the {thing} was gone. {name} looked for it in the {place}, but it was not there.",
        f"One morning {friend} came to the {place} and asked for the {thing}.",
    )
    ends = (
        f"In the end {friend} found the {thing}, and they were happy.",
        f"{name} gave the {thing} to {friend}, and they became friends.",
    )
    return [Segment(" ".join(rng.choice(part) for part in (starts, middles, ends)) + "\n", True)]
