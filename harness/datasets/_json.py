"""JSON whose fields are checked as they are read, so that a message names the record and the field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.tables import decoded


class Record:
    """One JSON object at a place. Every access raises DataError where the field is missing or of another type."""

    def __init__(self, where: str, fields: object) -> None:
        if not isinstance(fields, Mapping):
            raise DataError(f"{where} is no JSON object: write {{...}}")
        self.where = where
        self.fields: Mapping[str, Any] = fields

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def text(self, name: str) -> str:
        """A string that is not blank, without spaces around it."""
        found = self._field(name)
        if not isinstance(found, str) or not found.strip():
            raise self._mistake(name, "write some text")
        return found.strip()

    def texts(self, name: str) -> list[str]:
        """A list of such strings."""
        found = self._field(name)
        if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
            raise self._mistake(name, "write a list of texts")
        return [one.strip() for one in found]

    def lines(self, name: str) -> list[str]:
        """A text that is no list, or a list of texts, each as ``text`` gives it."""
        return self.texts(name) if isinstance(self.fields.get(name), list) else [self.text(name)]

    def record(self, name: str) -> Record:
        """An object within this one."""
        return Record(f"{self.where.removesuffix(':')}, {name}:", self._field(name))

    def records(self, name: str) -> list[Record]:
        """A list of objects; none where the field is missing or null."""
        found = self.fields.get(name) or []
        if not isinstance(found, list):
            raise self._mistake(name, "write a list of objects")
        return [Record(f"{self.where.removesuffix(':')}, {name} {number}:", one) for number, one in enumerate(found, 1)]

    def _field(self, name: str) -> Any:
        if name not in self.fields:
            raise DataError(f"{self.where} has no field {name!r} (it has {', '.join(self.fields) or 'none'})")
        return self.fields[name]

    def _mistake(self, name: str, mend: str) -> DataError:
        return DataError(f"{self.where} {name} is {str(self.fields.get(name))[:60]!r}: {mend}")


def records(path: Path) -> Iterator[Record]:
    """The objects of a JSON list, or of JSON Lines (``.jsonl``). Raises DataError."""
    text = decoded(path, "a JSON file")
    if path.suffix.lower() == ".jsonl":
        lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        yield from (Record(f"{path}, line {number}:", _parsed(path, line, number)) for number, line in lines)
        return
    found = _parsed(path, text)
    if not isinstance(found, list):
        raise DataError(f"{path} is no list of records: write [...]")
    yield from (Record(f"{path}, record {number}:", one) for number, one in enumerate(found, 1))


def _parsed(path: Path, text: str, line: int = 0) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {line or error.lineno}: is no JSON ({error.msg}): save it as JSON") from error
