"""Training files of users: plain text, tables, and the JSON or parquet of other tools."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.formats import CHAT, ask, reply
from harness.data.records import (
    ROLES,
    SHAPES,
    Exchange,
    count_answers,
    exchange_of,
    first_of,
    json_records,
    lines_of,
    pair_of,
    shape_of,
    text_of,
)
from harness.data.user_files import decoded, rows
from harness.errors import DataError
from harness.recipes import Chat, Sample

TEXT_SUFFIXES = (".txt", ".md", ".text", "")
TABLE_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PARQUET = ".parquet"
_HEADS = {"front", "back", "text", "term", "definition", "key", "value", "fact", "id", "name"}
"""Names of columns that do not tell which one is the question."""
_ANKI = re.compile(r"#(?:separator|html|columns|deck|notetype|tags|guid)[\w ]*:")
"""The first lines of Anki's exports."""
_FOREIGN = re.compile(r"%PDF-|\s*<(?:!doctype|html|\?xml)\b|\{\\rtf", re.IGNORECASE)
_WANTED = "give .txt or .md, .csv or .tsv, .json or .jsonl, or .parquet"


class TrainingFile(NamedTuple):
    """The content of a training file."""

    kind: str
    """The kind of file for the user, such as ``alpaca JSON``."""
    exchanges: tuple[Exchange, ...] = ()
    """Questions with their answers."""
    texts: tuple[str, ...] = ()
    """Texts without questions; each is one sample."""
    left_out: tuple[str, ...] = ()
    """Skipped parts of records in words, such as ``2 system messages left out``."""

    def samples(self, form: str) -> tuple[Sample, ...]:
        """The questions in the format ``form`` (``CHAT``: as turns), then the texts."""
        questions = (_sample(exchange, form) for exchange in self.exchanges)
        return (*questions, *(Sample(text + "\n") for text in self.texts))

    def __str__(self) -> str:
        parts = [
            f"{len(items)} {name}{'' if len(items) == 1 else 's'}"
            for name, items in (("question", self.exchanges), ("text", self.texts))
            if items
        ]
        return "; ".join((f"{' and '.join(parts)} from {self.kind}", *self.left_out))


def read_records(path: Path) -> TrainingFile:
    """The content of the text, JSON or parquet file ``path``; for tables see ``table_records``.

    Raises:
        DataError: the suffix is unknown, the content does not fit the suffix, or a record is empty
            or of an unknown shape. The line names file and record.
    """
    suffix = path.suffix.lower()
    if suffix == PARQUET:
        return _of_records(path, "parquet", _parquet(path))
    if suffix in JSON_SUFFIXES:
        return _of_records(path, "JSON", json_records(path, decoded(path, "a JSON file")))
    if suffix in TEXT_SUFFIXES:
        return _plain_text(path)
    raise DataError(f"{path}: suffix {suffix!r} is unknown: {_WANTED}")


def table_records(path: Path, text: str, separator: str) -> TrainingFile:
    """The content of a table: with known columns, or without a header.

    Without a header, each row is a question and its answer.

    Raises:
        DataError: the columns are unknown, or a row has no question or no answer.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    cells = [row for row in reader if any(row)]
    head = [name.strip().lower() for name in cells[0]] if cells else []
    if shape_of(dict.fromkeys(head, "")):
        table = rows(path, text, separator)
        records = [
            (f"{path}, line {line}", {k.lower(): v for k, v in row.items()}) for line, row in table
        ]
        return _of_records(path, "table", records)
    if len(head) != 2 or not set(head).isdisjoint(_HEADS):
        has = ", ".join(filter(None, head)) or "none"
        raise DataError(f"{path}, line 1: has the columns {has}: name them question and answer")
    for number, row in enumerate(cells, 1):
        if len(row) != 2 or not all(cell.strip() for cell in row):
            raise DataError(f"{path}, row {number}: is not a question and an answer: give both")
    exchanges = [exchange_of(f"{path}, row {n}", q, a) for n, (q, a) in enumerate(cells, 1)]
    _check_answers(exchanges)
    return TrainingFile("a table without a header", tuple(exchanges))


def _sample(exchange: Exchange, form: str) -> Sample:
    if form != CHAT:
        return Sample(reply(form, exchange.answer), _prompt(exchange, form))
    pairs = ((("user", question), ("assistant", answer)) for question, answer in exchange.before)
    chat = Chat(tuple(chain.from_iterable(pairs)))
    return Sample(exchange.answer, exchange.question, chat=chat)


def _prompt(exchange: Exchange, form: str) -> str:
    """The conversation up to and with the question."""
    earlier = "".join(ask(form, q) + reply(form, a) for q, a in exchange.before)
    return earlier + ask(form, exchange.question)


def _plain_text(path: Path) -> TrainingFile:
    """One text per line; a line with a tab is a question and its answer."""
    text = decoded(path, "a text file")
    if not text.strip():
        raise DataError(f"{path} is empty: give it some text")
    if _is_json(text):
        raise DataError(f"{path} holds JSON: name it .json or .jsonl")
    if foreign := _FOREIGN.match(text):
        raise DataError(
            f"{path} begins with {foreign[0].strip()!r}, so it is not plain text: {_WANTED}"
        )
    exchanges: list[Exchange] = []
    texts: list[str] = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip() or _ANKI.match(line):
            continue
        where = f"{path}, line {number}"
        question, tab, answer = line.partition("\t")
        if not tab:
            texts.append(line.strip())
        elif "\t" in answer:
            advice = "write question, tab, answer, or name the file .tsv and give it a header"
            raise DataError(f"{where}: has more than one tab: {advice}")
        else:
            exchanges.append(exchange_of(where, question, answer))
    _check_answers(exchanges)
    return TrainingFile("plain text", tuple(exchanges), tuple(texts))


def _check_answers(exchanges: Sequence[Exchange]) -> None:
    """Raises DataError where the first question of a conversation has two different answers."""
    firsts: dict[str, Exchange] = {}
    for exchange in exchanges:
        if exchange.before:
            continue
        first = firsts.setdefault(" ".join(exchange.question.lower().split()), exchange)
        if first.answer != exchange.answer:
            place = first.where.rpartition(", ")[2]
            line = f"{exchange.question!r} has another answer in {place}"
            raise DataError(f"{exchange.where}: {line}: keep one")


def _is_json(text: str) -> bool:
    """Whether all of ``text``, or its first line, is a JSON object or list."""
    start = text.lstrip()
    if start[:1] not in ("{", "["):
        return False
    for part in (start, start.splitlines()[0]):
        try:
            value = json.loads(part)
        except ValueError:
            continue
        return isinstance(value, dict) or any(isinstance(item, dict | list) for item in value)
    return False


def _parquet(path: Path) -> list[tuple[str, Any]]:
    try:
        import pandas
    except ImportError:
        advice = "python -m pip install pandas pyarrow"
        raise DataError(f"{path}: pandas reads parquet and is not installed: {advice}") from None
    try:
        rows = json.loads(pandas.read_parquet(path).to_json(orient="records"))
    except Exception as error:  # for damaged files pandas and pyarrow document no exceptions
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as parquet ({reason}): save it again") from error
    return [(f"{path}, row {number}", row) for number, row in enumerate(rows, 1)]


def _of_records(path: Path, what: str, records: Sequence[tuple[str, Any]]) -> TrainingFile:
    """The content of ``records``, which are (place, record); ``what`` is the kind of file."""
    if not records:
        raise DataError(f"{path} has no records: give it at least one")
    exchanges: list[Exchange] = []
    texts: list[str] = []
    shapes: dict[str, None] = {}
    skipped: Counter[str] = Counter()
    for where, record in records:
        shape = shape_of(record)
        if not shape:
            keys = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise DataError(f"{where}: has {keys or 'no keys'}: give {SHAPES}")
        shapes[shape] = None
        if shape == "text":
            texts.append(text_of(where, record, "text").strip())
        elif shape in ("ShareGPT", "OpenAI messages"):
            turns = list(_turns(where, record))
            skipped["system message"] += sum(turn.role == "system" for turn in turns)
            skipped["system message"] += bool(record.get("system"))
            exchanges.extend(_conversation(where, turns))
        else:
            skipped["system message"] += bool(record.get("system"))
            skipped["further answer"] += count_answers(record) - 1
            exchanges.append(pair_of(where, record))
    _check_answers(exchanges)
    kind = f"{' and '.join(shapes)} {what}"
    left_out = tuple(f"{n} {name}{'s' * (n != 1)} left out" for name, n in skipped.items() if n)
    return TrainingFile(kind, tuple(exchanges), tuple(text for text in texts if text), left_out)


class _Turn(NamedTuple):
    """One message of a conversation."""

    role: str
    text: str
    trained: bool


def _turns(where: str, record: Mapping[str, Any]) -> Iterator[_Turn]:
    """The messages of ``record``; those with ``"weight": 0`` (OpenAI) are not trained."""
    key = next(name for name in ("messages", "conversations", "conversation") if record.get(name))
    for number, message in enumerate(record[key], 1):
        place = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{place}: is not an object: give it a role and a content")
        name = str(message.get("role", message.get("from", "")))
        if name.lower() not in ROLES:
            known = "user, assistant or system"
            raise DataError(f"{place}: the role {name!r} cannot be trained: give {known}")
        content = first_of(message, ("content", "value"))
        if not content:
            raise DataError(f"{place}: has no content: give it one")
        trained = message.get("weight", 1) != 0
        yield _Turn(ROLES[name.lower()], text_of(place, message, content), trained)


def _conversation(where: str, turns: Sequence[_Turn]) -> Iterator[Exchange]:
    """Each trained answer with the turns before it."""
    before: list[tuple[str, str]] = []
    question = ""
    for role, text, trained in turns:
        if role == "system":
            continue
        if role == "user":
            if question:
                raise DataError(
                    f"{where}: two questions follow each other: put an answer between them"
                )
            question = text
            continue
        if not question:
            raise DataError(f"{where}: an answer has no question: begin with the user's turn")
        if trained:
            yield exchange_of(where, question, text, before)
        before.append((question.strip(), text.strip()))
        question = ""
    if not before:
        raise DataError(f"{where}: no message is an answer: add the assistant's turn")
