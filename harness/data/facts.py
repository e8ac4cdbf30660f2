"""The shipped facts, and the statements and questions that express them."""

from __future__ import annotations

import csv
import random
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataError

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(name: str) -> Path:
    """The shipped folder ``name`` (``fixtures`` or ``suites``).

    In a checkout it is beside the package, in an installed wheel it is inside.
    """
    beside, inside = _PACKAGE.parent / name, _PACKAGE / name
    return inside if inside.is_dir() else beside


FIXTURES = shipped_folder("fixtures")
TABLES = ("oscars", "countries", "elements", "novels", "paintings")


class Row(NamedTuple):
    """One row of a fact table."""

    id: str
    """``table/key``, e.g. ``oscars/actor-1999``."""
    table: str
    slots: Mapping[str, str]
    """Cells by column."""


class Relation(NamedTuple):
    """One relation of a fact table, such as *who won*, with templates that express it."""

    table: str
    name: str
    key: tuple[str, ...]
    """Slots that a question names. The relation is asked only where they decide the answer."""
    answer: str
    """Template of the answer."""
    statements: tuple[str, ...]
    """Templates of statements; the completion begins at the ``|``."""
    questions: tuple[str, ...]
    """Templates of questions, for training."""
    probes: tuple[str, ...]
    """Templates of questions that are close to the trained ones, for tests."""
    far: Mapping[str, tuple[str, ...]]
    """Templates of questions for tests, by family; no training text has wordings like them."""
    without: tuple[str, ...]
    """Categories that have no such relation."""


class World:
    """The fact tables and their relations; ``rows`` are in the order of the files.

    Raises:
        DataError: a table or a file of wordings is missing, empty or not UTF-8.
    """

    def __init__(self, tables: tuple[str, ...] = TABLES, fixtures: Path = FIXTURES) -> None:
        self.categories: dict[str, list[str]] = _toml(fixtures / "wordings/categories.toml")
        wordings = _toml(fixtures / "wordings/facts.toml")
        self.events: list[str] = wordings.pop("events")
        self.relations = {
            table: tuple(
                _relation(table, name, spec) for name, spec in wordings[_wording_of(table)].items()
            )
            for table in tables
        }
        self.rows = tuple(row for table in tables for row in read_rows(table, fixtures / "facts"))

    @cached_property
    def answers(self) -> dict[tuple[str, ...], list[str]]:
        """The right answers, by (table, relation, key values ...)."""
        answers: dict[tuple[str, ...], list[str]] = {}
        for row in self.rows:
            for relation in self.relations[row.table]:
                if self.fits(relation, row):
                    of_key = answers.setdefault(_key(relation, row), [])
                    answer = self.answer(relation, row)
                    if answer not in of_key:
                        of_key.append(answer)
        return answers

    def accepted(self, relation: Relation, row: Row) -> list[str]:
        """All right answers to the question of ``relation`` about ``row``, the row's own first."""
        first = self.answer(relation, row)
        return [first, *(a for a in self.answers[_key(relation, row)] if a != first)]

    def fits(self, relation: Relation, row: Row) -> bool:
        """Whether the category of ``row``, if any, has this relation."""
        return row.slots.get("category") not in relation.without

    def askable(self, row: Row) -> list[Relation]:
        """The relations of ``row`` with exactly one right answer."""
        fitting = (r for r in self.relations[row.table] if self.fits(r, row))
        return [r for r in fitting if len(self.answers[_key(r, row)]) == 1]

    def answer(self, relation: Relation, row: Row) -> str:
        """The answer that ``row`` gives to the question of ``relation``."""
        return self.fill(relation.answer, row)

    def fill(self, template: str, row: Row, rng: random.Random | None = None) -> str:
        """``template`` with the slots of ``row``.

        ``rng`` chooses the names of the event and the category; without it the first ones are used.
        """
        slots = dict(row.slots)
        if "category" in slots:
            names = self.categories[slots["category"]]
            slots["category0"] = names[0]
            slots["category"] = rng.choice(names) if rng and rng.random() < 0.4 else names[0]
            event = rng.choice(self.events) if rng else self.events[0]
            slots["event"] = event.format(**slots)
        text = template.format(**slots)
        return text[:1].upper() + text[1:]


def read_rows(table: str, folder: Path = FIXTURES / "facts") -> Iterator[Row]:
    """The rows of ``<folder>/<table>.csv``.

    Raises:
        DataError: the file is missing, empty or not UTF-8, or has no rows.
    """
    path = folder / f"{table}.csv"
    records = list(csv.DictReader(read_text(path).splitlines()))
    if not records:
        raise DataError(f"{path} has no rows: give it a header and at least one fact")
    for record in records:
        slots = {name: value for name, value in record.items() if value is not None}
        if table.startswith("oscars"):
            slots = _award(slots)
        if "category" in slots:
            key = f"{slots['category']}-{slots['year']}"
        else:
            key = next(iter(slots.values()))
        yield Row(f"{table}/{key}", table, slots)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        DataError: the file is missing, empty or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not text.strip():
        raise DataError(f"{path} is empty: give it some text")
    return text


def join_names(names: str) -> str:
    """``"A; B; C"`` as ``"A, B and C"``."""
    parts = [name.strip() for name in names.split(";")]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


_CATEGORIES_2023 = {
    "DIRECTING": "director",
    "MUSIC (Original Score)": "original_score",
    "MUSIC (Original Song)": "original_song",
    "MAKEUP AND HAIRSTYLING": "makeup",
    "WRITING (Adapted Screenplay)": "adapted_screenplay",
    "WRITING (Original Screenplay)": "original_screenplay",
    "BEST PICTURE": "picture",
    "SHORT FILM (Animated)": "animated_short",
    "SHORT FILM (Live Action)": "live_action_short",
    "DOCUMENTARY SHORT FILM": "documentary_short",
    "ACTOR IN A LEADING ROLE": "actor",
    "ACTRESS IN A LEADING ROLE": "actress",
    "ACTOR IN A SUPPORTING ROLE": "supporting_actor",
    "ACTRESS IN A SUPPORTING ROLE": "supporting_actress",
}


def _award(slots: dict[str, str]) -> dict[str, str]:
    """``slots`` with the names of categories in ``categories.toml``, and with ``winner``.

    The table of 2023 has other columns and names of awards: those of the original experiment.
    """
    if "award" in slots:
        award = slots["award"]
        regular = re.sub(r" FILM$", "", award).lower().replace(" ", "_")
        slots = {
            "year": "2023",
            "category": _CATEGORIES_2023.get(award) or regular,
            "winners": slots["winners"],
            "film": slots["film"],
        }
    return {**slots, "winner": join_names(slots["winners"])}


def _relation(table: str, name: str, spec: dict[str, Any]) -> Relation:
    lists = {
        field: tuple(spec.get(field, ()))
        for field in ("key", "statements", "questions", "probes", "without")
    }
    far = {family: tuple(wordings) for family, wordings in spec.get("far", {}).items()}
    return Relation(table=table, name=name, answer=str(spec["answer"]), far=far, **lists)


def _wording_of(table: str) -> str:
    return "oscars" if table.startswith("oscars") else table


def _key(relation: Relation, row: Row) -> tuple[str, ...]:
    return (_wording_of(row.table), relation.name, *(row.slots[slot] for slot in relation.key))


def _toml(path: Path) -> dict:  # type: ignore[type-arg]  # the shape is that of the file
    return tomllib.loads(read_text(path))
