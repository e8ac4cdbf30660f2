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
from harness.data.user_files import decoded, rows
from harness.errors import DataError
from harness.recipes import Chat, Sample

TEXT_SUFFIXES = (".txt", ".md", ".text", "")
TABLE_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PARQUET = ".parquet"
_QUESTIONS = ("question", "instruction", "prompt", "input", "query")
_ANSWERS = ("answer", "output", "completion", "response", "answers", "target")
_HEADS = {"front", "back", "text", "term", "definition", "key", "value", "fact", "id", "name"}
"""Names of columns that do not tell which one is the question."""
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), "assistant"),
    "system": "system",
}
"""Roles by the names that tools give them."""
_SHAPES = (
    "alpaca (instruction, input, output), ShareGPT (conversations), OpenAI (messages), prompt and"
    " completion, question and answer, or text"
)
_ANKI = re.compile(r"#(?:separator|html|columns|deck|notetype|tags|guid)[\w ]*:")
"""The first lines of Anki's exports."""
_FOREIGN = re.compile(r"%PDF-|\s*<(?:!doctype|html|\?xml)\b|\{\\rtf", re.IGNORECASE)
_WANTED = "give .txt or .md, .csv or .tsv, .json or .jsonl, or .parquet"


class Exchange(NamedTuple):
    """A question with its answer."""

    where: str
    """File and record, for messages."""
    question: str
    answer: str
    before: tuple[tuple[str, str], ...] = ()
    """Earlier questions and answers of the same conversation, oldest first."""


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
        return _of_records(path, "JSON", _json_records(path))
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
    if _shape(dict.fromkeys(head, "")):
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
    exchanges = [_exchange(f"{path}, row {n}", q, a) for n, (q, a) in enumerate(cells, 1)]
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
    for number, line in enumerate(_lines(text), 1):
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
            exchanges.append(_exchange(where, question, answer))
    _check_answers(exchanges)
    return TrainingFile("plain text", tuple(exchanges), tuple(texts))


def _lines(text: str) -> list[str]:
    """The lines of ``text``.

    ``str.splitlines`` would also split at form feeds and U+2028, which tools write within a line.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


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


def _exchange(
    where: str, question: str, answer: str, before: Sequence[tuple[str, str]] = ()
) -> Exchange:
    for name, value in (("question", question), ("answer", answer)):
        if not value.strip():
            raise DataError(f"{where}: the {name} is empty: give one")
    return Exchange(where, question.strip(), answer.strip(), tuple(before))


def _json_records(path: Path) -> list[tuple[str, Any]]:
    """(place, record) of each item of a JSON list, of an object's only list, or of JSON Lines."""
    text = decoded(path, "a JSON file")
    try:
        whole = json.loads(text)
    except ValueError as error:
        if path.suffix.lower() == ".json" and "Extra data" not in str(error):
            raise DataError(f"{path} is not JSON ({error}): correct it") from None
        return _json_lines(path, text)
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list)]
        whole = lists[0] if len(lists) == 1 and not _shape(whole) else [whole]
    if not isinstance(whole, list):
        raise DataError(f"{path} holds no records: give {_SHAPES}")
    return [(f"{path}, record {number}", record) for number, record in enumerate(whole, 1)]


def _json_lines(path: Path, text: str) -> list[tuple[str, Any]]:
    records = []
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        try:
            records.append((f"{path}, line {number}", json.loads(line)))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: is not JSON ({error}): correct it") from None
    return records


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
        shape = _shape(record)
        if not shape:
            keys = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise DataError(f"{where}: has {keys or 'no keys'}: give {_SHAPES}")
        shapes[shape] = None
        if shape == "text":
            texts.append(_text(where, record, "text").strip())
        elif shape in ("ShareGPT", "OpenAI messages"):
            turns = list(_turns(where, record))
            skipped["system message"] += sum(turn.role == "system" for turn in turns)
            skipped["system message"] += bool(record.get("system"))
            exchanges.extend(_conversation(where, turns))
        else:
            skipped["system message"] += bool(record.get("system"))
            skipped["further answer"] += _answers(record) - 1
            exchanges.append(_pair(where, record))
    _check_answers(exchanges)
    kind = f"{' and '.join(shapes)} {what}"
    left_out = tuple(f"{n} {name}{'s' * (n != 1)} left out" for name, n in skipped.items() if n)
    return TrainingFile(kind, tuple(exchanges), tuple(text for text in texts if text), left_out)


def _shape(record: Any) -> str:
    """The shape of ``record``, named after the tool that writes it; empty where it is unknown."""
    if not isinstance(record, dict):
        return ""
    if record.get("messages") and isinstance(record["messages"], list):
        return "OpenAI messages"
    turns = record.get("conversations") or record.get("conversation")
    if turns and isinstance(turns, list):
        return "ShareGPT"
    if "instruction" in record and "output" in record:
        return "alpaca"
    question, answer = _first(record, _QUESTIONS), _first(record, _ANSWERS)
    # Records with these keys are for preference training or classification.
    if question and answer and not {"label", "chosen", "rejected"} & record.keys():
        return f"{question} and {answer}"
    return "text" if isinstance(record.get("text"), str) else ""


def _first(record: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of ``names`` that ``record`` has, or an empty string."""
    return next((name for name in names if name in record), "")


def _pair(where: str, record: Mapping[str, Any]) -> Exchange:
    question_key, answer_key = _first(record, _QUESTIONS), _first(record, _ANSWERS)
    question, answer = _text(where, record, question_key), _text(where, record, answer_key)
    for key in ("input", "context"):
        if key != question_key and str(record.get(key) or "").strip():
            question = f"{question.strip()}\n{_text(where, record, key).strip()}"
    history = record.get("history") or []
    if not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise DataError(f"{where}: history is not a list of [question, answer]: correct it")
    before = [(str(q).strip(), str(a).strip()) for q, a in history]
    return _exchange(where, question, answer, before)


def _answers(record: Mapping[str, Any]) -> int:
    """The number of answers that a record gives to its question."""
    value = record[_first(record, _ANSWERS)]
    value = value.get("text", value) if isinstance(value, dict) else value
    plain = isinstance(value, list) and not any(isinstance(part, dict) for part in value)
    return max(1, len(value)) if plain else 1


def _text(where: str, record: Mapping[str, Any], key: str) -> str:
    """A string, the first of several answers, or the text parts of a message."""
    value = record[key]
    if isinstance(value, dict) and isinstance(value.get("text"), list):  # SQuAD's answers
        value = value["text"]
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        if odd := [part for part in value if part.get("type") != "text"]:
            part = odd[0]
            what = f"of type {part['type']!r}" if "type" in part else f"with {', '.join(part)}"
            raise DataError(f"{where}: {key} has a part {what}: only text can be trained")
        value = "".join(str(part.get("text", "")) for part in value)
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: {key} is {json.dumps(value)[:40]}: write a text")
    return str(value)


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
        if name.lower() not in _ROLES:
            known = "user, assistant or system"
            raise DataError(f"{place}: the role {name!r} cannot be trained: give {known}")
        content = _first(message, ("content", "value"))
        if not content:
            raise DataError(f"{place}: has no content: give it one")
        trained = message.get("weight", 1) != 0
        yield _Turn(_ROLES[name.lower()], _text(place, message, content), trained)


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
            yield _exchange(where, question, text, before)
        before.append((question.strip(), text.strip()))
        question = ""
    if not before:
        raise DataError(f"{where}: no message is an answer: add the assistant's turn")
