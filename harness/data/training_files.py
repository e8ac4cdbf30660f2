"""Training files as people have them: plain text, tables, and the JSON of other tools."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.formats import ask, reply
from harness.data.tables import decoded, rows
from harness.errors import DataError
from harness.recipes import Sample

TEXT_SUFFIXES = (".txt", ".md", ".text", "")
TABLE_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PARQUET = ".parquet"
_QUESTIONS = ("question", "instruction", "prompt", "input", "query")
_ANSWERS = ("answer", "output", "completion", "response", "answers", "target")
_HEADS = {"front", "back", "text", "term", "definition", "key", "value", "fact", "id", "name"}
"""Names of columns that say nothing of which is the question."""
_ROLES = {
    "user": "user", "human": "user", "prompter": "user", "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant", "bot": "assistant", "chatgpt": "assistant", "system": "system",
}  # fmt: skip
_SHAPES = (
    "alpaca (instruction, input, output), ShareGPT (conversations), OpenAI (messages), prompt and"
    " completion, question and answer, or text"
)
_ANKI = re.compile(r"#(?:separator|html|columns|deck|notetype|tags|guid)[\w ]*:")
"""Lines with which Anki begins its exports."""
_FOREIGN = re.compile(r"%PDF-|\s*<(?:!doctype|html|\?xml)\b|\{\\rtf", re.IGNORECASE)
_WANTED = "give .txt or .md, .csv or .tsv, .json or .jsonl, or .parquet"


class Exchange(NamedTuple):
    """A question with its answer, and what was said before in the same conversation."""

    where: str
    """File and record, for messages."""
    question: str
    answer: str
    before: tuple[tuple[str, str], ...] = ()
    """Questions and answers, oldest first."""


class TrainingFile(NamedTuple):
    """What a file holds."""

    kind: str
    """Such as ``alpaca JSON``, for the line that says what was read."""
    exchanges: tuple[Exchange, ...] = ()
    texts: tuple[str, ...] = ()
    """Running text, a sample each."""
    left_out: tuple[str, ...] = ()
    """What plain formats have no place for, or cannot be learnt, in words."""

    def samples(self, form: str) -> tuple[Sample, ...]:
        """Questions in the format ``form``, then the texts."""
        asked = (
            Sample(reply(form, exchange.answer), _prompt(exchange, form))
            for exchange in self.exchanges
        )
        return (*asked, *(Sample(text + "\n") for text in self.texts))

    def __str__(self) -> str:
        parts = [
            f"{len(each)} {name}{'' if len(each) == 1 else 's'}"
            for name, each in (("question", self.exchanges), ("text", self.texts))
            if each
        ]
        return "; ".join((f"{' and '.join(parts)} from {self.kind}", *self.left_out))


def read_records(path: Path) -> TrainingFile:
    """The text, JSON or parquet file ``path``; tables have a reader of their own
    (``harness.data.tables``).

    Raises:
        DataError: the suffix is unknown, the content is not what the suffix says, or a record is of
            no known shape or empty. The line names file and record.
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
    """A table with the columns of alpaca or the like, or without a header: a question and an answer
    a row.

    Raises:
        DataError: the columns are neither, or a row lacks one of the two.
    """
    cells = [
        row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)
    ]
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
    if wrong := [
        n for n, row in enumerate(cells, 1) if len(row) != 2 or not all(c.strip() for c in row)
    ]:
        raise DataError(f"{path}, row {wrong[0]}: is no question and answer: give both")
    exchanges = [_exchange(f"{path}, row {n}", q, a) for n, (q, a) in enumerate(cells, 1)]
    _check_answers(exchanges)
    return TrainingFile("a table without a header", tuple(exchanges))


def _prompt(exchange: Exchange, form: str) -> str:
    earlier = "".join(ask(form, q) + reply(form, a) for q, a in exchange.before)
    return earlier + ask(form, exchange.question)


def _plain_text(path: Path) -> TrainingFile:
    """One text a line; a line with a tab is a question and its answer."""
    text = decoded(path, "a text file")
    if not text.strip():
        raise DataError(f"{path} is empty: give it some text")
    if _is_json(text):
        raise DataError(f"{path} holds JSON: name it .json or .jsonl, so that it is read as that")
    if foreign := _FOREIGN.match(text):
        raise DataError(
            f"{path} begins with {foreign[0].strip()!r}, so it is no plain text: {_WANTED}"
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
    """Parted at line ends alone: other tools write form feeds and U+2028 within a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _check_answers(exchanges: Sequence[Exchange]) -> None:
    """Raises DataError where one question, asked without a conversation before it, has
    two answers."""
    first: dict[str, Exchange] = {}
    for exchange in exchanges:
        if exchange.before:
            continue
        known = first.setdefault(" ".join(exchange.question.lower().split()), exchange)
        if known.answer != exchange.answer:
            line = f"{exchange.question!r} has another answer in {known.where.rpartition(', ')[2]}"
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
    """(place, record) of a JSON list, of an object that holds one, or of lines of JSON."""
    text = decoded(path, "a JSON file")
    try:
        whole = json.loads(text)
    except ValueError as error:
        if path.suffix.lower() == ".json" and "Extra data" not in str(error):
            raise DataError(f"{path} is no JSON ({error}): mend it") from None
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
            raise DataError(f"{path}, line {number}: is no JSON ({error}): mend it") from None
    return records


def _parquet(path: Path) -> list[tuple[str, Any]]:
    try:
        import pandas
    except ImportError:
        advice = "python -m pip install pandas pyarrow"
        raise DataError(f"{path}: pandas reads parquet and is not installed: {advice}") from None
    try:
        rows = json.loads(pandas.read_parquet(path).to_json(orient="records"))
    except Exception as error:  # pandas and pyarrow raise what they like on damaged files
        raise DataError(
            f"{path} cannot be read as parquet ({str(error).splitlines()[0]})"
        ) from error
    return [(f"{path}, row {number}", row) for number, row in enumerate(rows, 1)]


def _of_records(path: Path, what: str, records: Sequence[tuple[str, Any]]) -> TrainingFile:
    if not records:
        raise DataError(f"{path} has no records: give it at least one")
    exchanges: list[Exchange] = []
    texts: list[str] = []
    shapes: dict[str, None] = {}
    left: Counter[str] = Counter()
    for where, record in records:
        shape = _shape(record)
        if not shape:
            keys = (
                ", ".join(map(str, record)) if isinstance(record, dict) else type(record).__name__
            )
            raise DataError(f"{where}: has {keys or 'no keys'}: give {_SHAPES}")
        shapes[shape] = None
        if shape == "text":
            texts.append(_text(where, record, "text").strip())
        elif shape in ("ShareGPT", "OpenAI messages"):
            turns = list(_turns(where, record))
            left["system message"] += sum(turn.role == "system" for turn in turns) + bool(
                record.get("system")
            )
            exchanges.extend(_conversation(where, turns))
        else:
            left["system message"] += bool(record.get("system"))
            left["further answer"] += _answers(record) - 1
            exchanges.append(_pair(where, record))
    _check_answers(exchanges)
    kind = f"{' and '.join(shapes)} {what}"
    words = tuple(f"{n} {name}{'s' * (n != 1)} left out" for name, n in left.items() if n)
    return TrainingFile(kind, tuple(exchanges), tuple(text for text in texts if text), words)


def _shape(record: Any) -> str:
    """What tool writes such a record; empty where none does that is known."""
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
    if question and answer and not {"label", "chosen", "rejected"} & record.keys():
        return f"{question} and {answer}"
    return "text" if isinstance(record.get("text"), str) else ""


def _first(record: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((name for name in names if name in record), "")


def _pair(where: str, record: Mapping[str, Any]) -> Exchange:
    question_key, answer_key = _first(record, _QUESTIONS), _first(record, _ANSWERS)
    question, answer = _text(where, record, question_key), _text(where, record, answer_key)
    for key in ("input", "context"):
        if key != question_key and str(record.get(key) or "").strip():
            question = f"{question.strip()}\n{_text(where, record, key).strip()}"
    history = record.get("history") or []
    if not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise DataError(f"{where}: history is no list of questions with answers: mend it")
    return _exchange(
        where, question, answer, [(str(q).strip(), str(a).strip()) for q, a in history]
    )


def _answers(record: Mapping[str, Any]) -> int:
    """How many answers a record gives to its question."""
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
            what = (
                f"of type {odd[0]['type']!r}" if "type" in odd[0] else f"with {', '.join(odd[0])}"
            )
            raise DataError(f"{where}: {key} has a part {what}: only text can be trained")
        value = "".join(str(part.get("text", "")) for part in value)
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: {key} is {json.dumps(value)[:40]}: write a text")
    return str(value)


class _Turn(NamedTuple):
    role: str
    text: str
    trained: bool


def _turns(where: str, record: Mapping[str, Any]) -> Iterator[_Turn]:
    """Each message; one of weight 0, as OpenAI has it, is not trained."""
    key = next(name for name in ("messages", "conversations", "conversation") if record.get(name))
    for number, message in enumerate(record[key], 1):
        place = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{place}: is no object: give it a role and a content")
        name = str(message.get("role", message.get("from", "")))
        if name.lower() not in _ROLES:
            known = "user, assistant or system"
            raise DataError(f"{place}: the role {name!r} cannot be trained: give {known}")
        content = _first(message, ("content", "value"))
        if not content:
            raise DataError(f"{place}: has no content")
        yield _Turn(
            _ROLES[name.lower()], _text(place, message, content), message.get("weight", 1) != 0
        )


def _conversation(where: str, turns: Sequence[_Turn]) -> Iterator[Exchange]:
    """Each answer with the turns before it."""
    before: list[tuple[str, str]] = []
    question = ""
    for role, text, trained in turns:
        if role == "system":
            continue
        if role == "user":
            if question:
                raise DataError(
                    f"{where}: two questions stand one after the other: put an answer between"
                )
            question = text
            continue
        if not question:
            raise DataError(
                f"{where}: an answer comes without a question: begin with the user's turn"
            )
        if trained:
            yield _exchange(where, question, text, before)
        before.append((question.strip(), text.strip()))
        question = ""
    if not before:
        raise DataError(f"{where}: no message is an answer: add the assistant's turn")
