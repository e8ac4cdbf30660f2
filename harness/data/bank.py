"""The bank: questions on the world, with which a model is asked what it knows.

The shipped bank has about 3,000 questions, most of them easy, so that even a small model has
hundreds of them right. A user's bank is a table of the user's own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import field_validator

from harness.data.facts import FIXTURES, World
from harness.data.facts import Row as Fact
from harness.data.user_files import SEPARATOR, Row, check_row, decoded, rows
from harness.errors import DataError

BANK = FIXTURES / "bank"


class BankQuestion(NamedTuple):
    """A question in several wordings, none of them in a prompt format."""

    id: str
    """``field/key``, unique in its bank. The key is made of the question, so another wording of it
    is another id."""
    field: str
    wordings: tuple[str, ...]
    """Two in the shipped bank, at least one in a user's."""
    accepted: tuple[str, ...]
    """Right answers. ``"; "`` joins the names of a list."""


@cache
def bank() -> tuple[BankQuestion, ...]:
    """The shipped bank: the fact tables, then ``fixtures/bank`` by field; always in this order."""
    written = [each for path in sorted(BANK.glob("*.csv")) for each in _written(path)]
    return tuple(_numbered([*_tables(), *written]))


def read_bank(path: Path) -> tuple[BankQuestion, ...]:
    """A user's bank: a CSV or TSV file with the columns ``question`` and ``accepted``.

    Further columns are ``reworded`` and ``field``. ``|`` separates several accepted answers, and
    several other wordings.

    Raises:
        DataError: the file is missing, empty or not UTF-8, a column is missing or unknown, a needed
            cell is empty, or a question is there twice. The line names file and line.
    """
    table = list(rows(path, decoded(path, "a CSV or TSV file")))
    if not table:
        raise DataError(
            f"{path} has no questions: give it a header (question, accepted) and at least one row"
        )
    questions = []
    seen: dict[str, int] = {}
    for line, row in table:
        cells = check_row(path, line, {name.lower(): cell for name, cell in row.items()}, _Question)
        for text in cells.wordings:
            first = seen.setdefault(" ".join(text.lower().split()), line)
            if first != line:
                raise DataError(
                    f"{path}, line {line}: {text!r} stands in line {first} already: remove one"
                )
        questions.append(cells.question_of(cells.field))
    return tuple(_numbered(questions))


_KEY = re.compile(r"[^\W_]+")
_FIELD = re.compile(r"[^\W\d_][\w -]*")


class _Question(Row):
    """A row of a bank."""

    question: str
    accepted: str
    reworded: str = ""
    field: str = "general"

    @field_validator("question")
    @classmethod
    def _asks(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("write a question")
        return _one_line(value)

    @field_validator("accepted")
    @classmethod
    def _answers(cls, value: str) -> str:
        if not _several(value):
            raise ValueError("write the right answer")
        return _one_line(value)

    @field_validator("reworded")
    @classmethod
    def _asks_again(cls, value: str) -> str:
        return _one_line(value)

    @field_validator("field")
    @classmethod
    def _names(cls, value: str) -> str:
        name = value.strip() or "general"
        if not _FIELD.fullmatch(name):
            raise ValueError("a field is a name of letters, digits, spaces, - and _")
        return name

    @property
    def wordings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.question.strip(), *_several(self.reworded))))

    def question_of(self, field: str) -> BankQuestion:
        """With a first id, which may not be unique yet."""
        return BankQuestion(
            f"{field}/{_key(self.question)}", field, self.wordings, _several(self.accepted)
        )


def _several(cell: str) -> tuple[str, ...]:
    return tuple(value for part in cell.split(SEPARATOR) if (value := part.strip()))


def _one_line(value: str) -> str:
    if len(value.strip().splitlines()) > 1:
        raise ValueError("write it in one line: a line break ends a model's answer")
    return value


def _key(text: str) -> str:
    return "-".join(_KEY.findall(text.lower())) or "question"


def _numbered(questions: Iterable[BankQuestion]) -> Iterator[BankQuestion]:
    """``questions``; where an id was there before (*C?* and *C++?*), it gets a number."""
    seen: Counter[str] = Counter()
    for question in questions:
        seen[question.id] += 1
        count = seen[question.id]
        yield question if count == 1 else question._replace(id=f"{question.id}-{count}")


def _written(path: Path) -> Iterator[BankQuestion]:
    """The questions of a shipped file, whose name is the field."""
    for line, row in rows(path, decoded(path, "a CSV file"), ","):
        yield check_row(path, line, row, _Question).question_of(path.stem)


_RELATIONS = {
    ("countries", "capital"): (1, 5),
    ("countries", "continent"): (2, 4),
    ("elements", "symbol"): (1, 7),
    ("elements", "number"): (0, 2),
    ("novels", "author"): (0, 5),
    ("paintings", "painter"): (0, 8),
    ("oscars", "who"): (1, 6),
    ("oscars", "film"): (0, 7),
}
"""Relations of the tables that are asked, with the numbers of two of their questions.

Relations that are the reverse of another (*of which country is X the capital*) are left out: where
a model is taught one direction, the other may not count as untouched.
"""
_AWARDS = {
    "who": ("actor", "actress", "director"),
    "film": ("picture",),
}
_ON_TWO_CONTINENTS = {
    *("Armenia", "Azerbaijan", "Cyprus", "Egypt", "Georgia", "Indonesia", "Kazakhstan", "Panama"),
    *("Russia", "Timor-Leste", "Trinidad and Tobago", "Turkey"),
}
"""Where sources do not agree on the continent."""
_DISPUTED_CAPITALS = {"Benin", "Ivory Coast", "South Africa"}
"""Where the government does not sit in the capital, or there are several capitals."""
_LIGHT = 36
"""Elements up to krypton are asked for their atomic number."""
_WORDS = {"am", "as", "at", "be", "he", "i", "in", "no"}
"""Symbols that are English words: most answers hold one of these words by chance."""


def _tables() -> Iterator[BankQuestion]:
    """Questions on the shipped facts that have exactly one right answer, and do not hold it."""
    world = World()
    new = _names_of_2023()
    for fact in world.rows:
        for relation in world.askable(fact):
            places = _RELATIONS.get((fact.table, relation.name))
            if not places or not _fits(fact, relation.name) or new & {*fact.slots.values()}:
                continue
            answer = world.answer(relation, fact)
            wordings = tuple(world.fill(relation.questions[place], fact) for place in places)
            if not _tells(" ".join(wordings), answer) and answer.lower() not in _WORDS:
                key = f"{fact.table}/{relation.name}-{_key(fact.id.partition('/')[2])}"
                yield BankQuestion(key, fact.table, wordings, (answer,))


def _names_of_2023() -> set[str]:
    """People and films of the awards of 2023, which suites train as new."""
    new = World(("oscars_2023",)).rows
    people = {name.strip() for row in new for name in row.slots["winners"].split(";")}
    return {row.slots["film"] for row in new if row.slots["film"]} | people - {"Germany"}


def _fits(fact: Fact, relation: str) -> bool:
    """Whether ``relation`` may be asked of ``fact``: sources agree, and it is widely known."""
    if fact.table == "oscars":
        return fact.slots["category"] in _AWARDS[relation]
    if relation == "continent":
        return fact.slots["country"] not in _ON_TWO_CONTINENTS
    if relation == "number":
        return int(fact.slots["number"]) <= _LIGHT
    return relation != "capital" or fact.slots["country"] not in _DISPUTED_CAPITALS


def _tells(question: str, answer: str) -> bool:
    """Whether ``question`` holds a word of ``answer``."""
    return bool({*_KEY.findall(question.lower())} & {*_KEY.findall(answer.lower())} - {"the"})
