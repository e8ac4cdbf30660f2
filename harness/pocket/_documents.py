"""The mixture of documents that the shipped model is trained on."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

from harness.data import invented as _words
from harness.data.facts import Relation, Row, World
from harness.data.rewording import question
from harness.errors import DataError
from harness.pocket import _judging, _reading
from harness.pocket._parts import Document, Segment, any_format, told, turn, turns

TABLE_SHARES = {
    "oscars": 0.64,
    "countries": 0.14,
    "elements": 0.08,
    "novels": 0.09,
    "paintings": 0.05,
}
RELATION_WEIGHTS = {"who": 4.0, "film": 2.0, "award": 2.0, "film_of_winner": 1.5}

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
"""Shares of the documents, in the first part of the training and later: copying, which reading and
judging stand on, comes first, as it did not form beside the facts."""


class Mixture:
    """Documents by chance. Half of the rows are only told, not asked about, until ``asked_from``.

    A model that later learns to be asked about what it was only told is one whose adapters can be
    asked, too (Allen-Zhu & Li, Physics of Language Models 3.1).
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
            t: [r for r in world.rows if r.table == t and self._askable[r.id]] for t in TABLE_SHARES
        }

    def document(self, rng: random.Random, progress: float) -> Document:
        """One document; ``progress`` is the share of the training that is done, 0 to 1."""
        if self.only == "judging":
            return _judging.document(self.world, rng, asked_so=0.8)
        kind = rng.choices(
            tuple(SHARES), [share[progress >= self.copying] for share in self._shares.values()]
        )[0]
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
        return _reading.document(self.world, rng, long=True)

    def row(self, rng: random.Random) -> Row:
        table = rng.choices(tuple(TABLE_SHARES), tuple(TABLE_SHARES.values()))[0]
        return rng.choice(self._rows[table])

    def asked(self, row: Row, progress: float) -> bool:
        return progress >= self.asked_from or not only_told(row)

    def _relation(self, row: Row, rng: random.Random) -> Relation:
        known = self._askable[row.id]
        return rng.choices(known, [RELATION_WEIGHTS.get(r.name, 1.0) for r in known])[0]

    def _statements(self, rng: random.Random, progress: float) -> Document:
        document: Document = []
        for _ in range(rng.randint(1, 3)):
            row = self.row(rng)
            relations = [
                r
                for r in self.world.relations[row.table]
                if r.statements and self.world.fits(r, row)
            ]
            weights = [RELATION_WEIGHTS.get(r.name, 1.0) for r in relations]
            template = rng.choice(rng.choices(relations, weights)[0].statements)
            document += told(self.world.fill(template, row, rng), rng.random() < 0.1)
        return document

    def _pair(self, rng: random.Random, progress: float) -> tuple[str, str]:
        row = self.row(rng)
        while not self.asked(row, progress):
            row = self.row(rng)
        relation = self._relation(row, rng)
        asked = self.world.fill(question(relation, rng), row, rng)
        return asked, self.world.answer(relation, row)

    def _questions(self, rng: random.Random, progress: float) -> Document:
        return turns([self._pair(rng, progress) for _ in range(rng.choice((1, 1, 1, 2, 3)))], rng)

    def _talk(self, rng: random.Random, progress: float) -> Document:
        """Small talk with questions in it."""
        pairs = [self._pair(rng, progress) for _ in range(rng.randint(1, 2))]
        lines = _words.words()
        before = [tuple(rng.choice(lines["chatter"])) for _ in range(rng.randint(1, 2))]
        return turns([*((b[0], b[1]) for b in before), *pairs], rng)

    def _choice(self, rng: random.Random, progress: float) -> Document:
        """Which of two statements is true."""
        row = self.row(rng)
        while not self.asked(row, progress):
            row = self.row(rng)
        relation = rng.choice(
            [r for r in self._askable[row.id] if r.statements] or self._askable[row.id]
        )
        if not relation.statements:
            return self._questions(rng, progress)
        true = self.world.fill(rng.choice(relation.statements), row).replace("|", "")
        other = rng.choice(self._rows[row.table])
        value = self.world.answer(relation, other)
        if (
            value in self.world.accepted(relation, row)
            or self.world.answer(relation, row) not in true
        ):
            return self._questions(rng, progress)
        false = true.replace(self.world.answer(relation, row), value)
        first = rng.random() < 0.5
        one, two = (true, false) if first else (false, true)
        return turn(
            f"Which statement is true? A: {one} B: {two}", "A" if first else "B", any_format(rng)
        )


def _shares(asked: str) -> dict[str, tuple[float, float]]:
    """``SHARES``, but for those that ``asked`` names, as ``reading=0.4,judging=0.2``; the rest
    keeps its proportions.

    Raises:
        DataError: a kind is unknown, a share is no number, or they leave nothing for the rest.
    """
    if not asked:
        return SHARES
    try:
        named = {
            kind: float(share) for kind, share in (part.split("=") for part in asked.split(","))
        }
    except ValueError:
        raise DataError(
            f"--shares {asked} is not read: write KIND=SHARE, separated by commas"
        ) from None
    if unknown := sorted(named.keys() - SHARES.keys()):
        raise DataError(
            f"--shares {asked}: {unknown[0]!r} is unknown, choose of {', '.join(SHARES)}"
        )
    left, others = (
        1 - sum(named.values()),
        [share for kind, share in SHARES.items() if kind not in named],
    )
    if min(named.values()) < 0 or not 0 < left < 1 or not others:
        raise DataError(
            f"--shares {asked}: each must be at least 0, and all of them together below 1"
        )
    early, late = (sum(share[part] for share in others) for part in (0, 1))
    return {
        kind: (
            (named[kind], named[kind])
            if kind in named
            else (share[0] * left / early, share[1] * left / late)
        )
        for kind, share in SHARES.items()
    }


def only_told(row: Row) -> bool:
    """Whether ``row`` is of the half that is only told at first."""
    return zlib.crc32(row.id.encode()) % 2 == 1


def _chatter(rng: random.Random) -> Document:
    lists = _words.words()
    pairs = (
        [(rng.choice(lists["greetings"]), rng.choice(lists["greeting_replies"]))]
        if rng.random() < 0.5
        else []
    )
    pairs += [(said[0], said[1]) for said in rng.sample(lists["chatter"], rng.randint(1, 3))]
    return turns(pairs, rng)


def _repeat(rng: random.Random) -> Document:
    """Copying: names, and strings of unrelated words."""
    lists = _words.words()
    if rng.random() < 0.4:
        text = rng.choice((_words.people, _words.film, _words.person))(rng)
    else:
        kinds = ("first", "last", "nouns", "things", "cities", "places", "adjectives", "animals")
        text = " ".join(
            _words.coined(rng) if rng.random() < 0.3 else rng.choice(lists[rng.choice(kinds)])
            for _ in range(rng.randint(3, 25))
        )
    command = rng.choice(("Repeat after me: {}", "Say this again: {}", "Copy: {}", "{}")).format(
        text
    )
    return turn(command, text, any_format(rng))


def _story(rng: random.Random) -> Document:
    lists = _words.words()
    name, friend = rng.sample(lists["first"], 2)
    animal, thing, place, colour = (
        rng.choice(lists[k]) for k in ("animals", "things", "places", "colours")
    )
    shapes = (
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
    return [Segment(" ".join(rng.choice(part) for part in (shapes, middles, ends)) + "\n", True)]
