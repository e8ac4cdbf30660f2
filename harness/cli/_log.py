"""Answers that any tool gave, read from CSV or JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataError
from harness.tables import SEPARATOR, decoded, rows

NEEDED = ("question", "accepted", "answer")
_SEPARATED = {".csv": "", ".tsv": "\t"}
"""Of .csv, the header tells: spreadsheets of many countries write semicolons."""
_LINES = (".jsonl", ".ndjson")


class Answered(NamedTuple):
    """One answer to one question."""

    line: int
    """Where it stands in the file, from 1."""
    question: str
    accepted: tuple[str, ...]
    answer: str
    more: dict[str, Any]
    """All other columns, such as cell, fact and kind."""


def read(path: Path, columns: Mapping[str, str] | None = None) -> list[Answered]:
    """The answers in ``path``. ``columns`` maps ``question``, ``accepted``, ``answer`` (or any name) to the file's own.

    Raises:
        DataError: the file, a line or a column cannot be read; the message names file, line and mend.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_SEPARATED, *_LINES):
        known = ", ".join((*_SEPARATED, *_LINES))
        raise DataError(f"{path}: suffix {path.suffix!r} is unknown: name the file with one of {known}")
    text = decoded(path, "a CSV or JSON Lines file")
    lines = _json_lines(path, text) if suffix in _LINES else rows(path, text, _SEPARATED[suffix])
    names = {name: name for name in NEEDED} | dict(columns or {})
    found = [answered for line, row in lines for answered in _answered(path, line, row, names)]
    if not found:
        raise DataError(f"{path}, line 1: holds no answers: give at least one line of question, accepted and answer")
    return found


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Split at newlines only: JSON may hold U+2028 and its like."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: is not JSON ({error}): write one object a line") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: is no JSON object: write one object a line")
        yield number, row


def _answered(path: Path, line: int, row: dict[str, Any], names: Mapping[str, str]) -> Iterator[Answered]:
    """Several answers to one question, as sampling gives them, are graded one by one."""
    for name, own in names.items():
        if own not in row:
            raise DataError(
                f"{path}, line {line}: has no column {own!r} (it has {', '.join(map(repr, row))}):"
                f" name the column that holds the {name} with --columns {name}=NAME"
            )
    accepted = _accepted(path, line, names["accepted"], row[names["accepted"]])
    question = _one(path, line, names["question"], row[names["question"]])
    given = row[names["answer"]]
    taken = {names[name] for name in NEEDED}
    renamed = {own: name for name, own in names.items()}
    more = {renamed.get(key, key): value for key, value in row.items() if key not in taken}
    for answer in given if isinstance(given, list) else [given]:
        yield Answered(line, question, accepted, _one(path, line, names["answer"], answer), more)


def _accepted(path: Path, line: int, column: str, value: Any) -> tuple[str, ...]:
    """A JSON list; or text, in CSV with ``|`` between answers."""
    text = isinstance(value, str) and path.suffix.lower() in _SEPARATED
    values = value.split(SEPARATOR) if text else value if isinstance(value, list) else [value]
    found = tuple(said for v in values if (said := _one(path, line, column, v).strip()))
    if not found:
        raise DataError(f"{path}, line {line}: column {column!r} is empty: give at least one accepted answer")
    return found


def _one(path: Path, line: int, column: str, value: Any) -> str:
    """Text or a number as text; nothing is an empty answer."""
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        raise DataError(f"{path}, line {line}: column {column!r} holds {json.dumps(value)[:40]}: text is wanted")
    return str(value)
