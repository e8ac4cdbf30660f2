"""Facts, and the wordings in which they are told and asked."""

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
    """The folder ``name`` (``fixtures`` or ``suites``) that comes along.

    A checkout has it beside the package, a wheel inside it.
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


class Relation(NamedTuple):
    """What can be told and asked about the rows of one table."""

    table: str
    name: str
    key: tuple[str, ...]
    """Slots that a question names; relations whose key does not decide the answer are not asked."""
    answer: str
    statements: tuple[str, ...]
    """``|`` stands where what is told begins."""
    questions: tuple[str, ...]
    probes: tuple[str, ...]
    """Near: cousins of the questions."""
    far: Mapping[str, tuple[str, ...]]
    """Probes of families of wordings that no training text has, by family."""
    without: tuple[str, ...]
    """Categories that the relation makes no sense for."""


class World:
    """The fact tables with their relations; ``rows`` in the order of the files.

    Raises:
        DataError: a table or wording file is missing, empty or not UTF-8.
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
        """(table, relation, key values ...) -> the answers that are right."""
        found: dict[tuple[str, ...], list[str]] = {}
        for row in self.rows:
            for relation in self.relations[row.table]:
                if self.fits(relation, row):
                    kept = found.setdefault(_key(relation, row), [])
                    answer = self.answer(relation, row)
                    kept.extend([answer] if answer not in kept else [])
        return found

    def accepted(self, relation: Relation, row: Row) -> list[str]:
        """All right answers to what ``relation`` asks of ``row``, its own first."""
        own = self.answer(relation, row)
        return [own, *(a for a in self.answers[_key(relation, row)] if a != own)]

    def fits(self, relation: Relation, row: Row) -> bool:
        return row.slots.get("category") not in relation.without

    def askable(self, row: Row) -> list[Relation]:
        """Relations of ``row`` with exactly one right answer."""
        fitting = (r for r in self.relations[row.table] if self.fits(r, row))
        return [r for r in fitting if len(self.answers[_key(r, row)]) == 1]

    def answer(self, relation: Relation, row: Row) -> str:
        return self.fill(relation.answer, row)

    def fill(self, template: str, row: Row, rng: random.Random | None = None) -> str:
        """``template`` filled from ``row``; without ``rng`` by the first event and
        category name."""
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
    """The rows of ``<folder>/<table>.csv``. Raises DataError."""
    path = folder / f"{table}.csv"
    records = list(csv.DictReader(read_text(path).splitlines()))
    if not records:
        raise DataError(f"{path} has no rows: give it a header and at least one fact")
    for record in records:
        slots = {name: value for name, value in record.items() if value is not None}
        if table.startswith("oscars"):
            slots = _award(slots)
        key = (
            f"{slots['category']}-{slots['year']}"
            if "category" in slots
            else next(iter(slots.values()))
        )
        yield Row(f"{table}/{key}", table, slots)


def read_text(path: Path) -> str:
    """A UTF-8 file. Raises DataError where it is missing, empty or something else."""
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
    """An award under the names of ``categories.toml``; the table of 2023 keeps the experiment's
    own."""
    if "award" in slots:
        award = slots["award"]
        known = _CATEGORIES_2023.get(award) or re.sub(r" FILM$", "", award).lower().replace(
            " ", "_"
        )
        slots = {
            "year": "2023",
            "category": known,
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
