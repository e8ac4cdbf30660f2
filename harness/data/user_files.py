"""Files that users write: tables read, and every file checked against pydantic models."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.facts import read_text
from harness.errors import DataError

SEPARATOR = "|"
"""Separates the values of one cell. Within one value, ``"; "`` joins the names of a list."""


def decoded(path: Path, wanted: str) -> str:
    """The UTF-8 text of ``path``, without a byte-order mark.

    Raises:
        DataError: the file cannot be read, has another encoding, or is not text. The message asks
            for ``wanted`` (*a CSV file*).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give {wanted}") from error
    return decoded_bytes(data, str(path), wanted)


def decoded_bytes(data: bytes, name: str, wanted: str) -> str:
    """The UTF-8 text of ``data``, without a byte-order mark; ``name`` is what messages call it.

    Raises:
        DataError: it has another encoding, or is not text. The message asks for ``wanted``.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name} is in UTF-16: save the file in UTF-8")
    if b"\0" in data[:4096]:
        raise DataError(f"{name} is not text: give {wanted}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}, line {line}: is not UTF-8: save the file in UTF-8") from error


_PREAMBLE = re.compile(
    r"(?:sep=.\r?\n|#(?:separator|html|columns|deck|notetype|tags|guid)[\w ]*:[^\n]*\n)+"
)
"""Lines that Excel and Anki write before a table."""


def without_preamble(text: str) -> str:
    """``text`` without the lines that Excel and Anki write before a table."""
    match = _PREAMBLE.match(text)
    return text[match.end() :] if match else text


def separator_of(path: Path, text: str) -> str:
    """The separator of the cells of ``text``: a tab, a semicolon or a comma.

    It is the most frequent of the three in the first line, outside double quotes.
    """
    first = re.sub(r'"[^"]*"', "", next(iter(text.splitlines()), ""))
    counts = {mark: first.count(mark) for mark in ("\t", ";", ",")}
    if path.suffix.lower() == ".tsv" and counts["\t"]:
        return "\t"
    return max(counts, key=lambda mark: counts[mark]) if any(counts.values()) else ","


def rows(path: Path, text: str, separator: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of every row below the header; lines are counted from 1.

    Blank lines, empty rows and empty columns at the right are skipped, as spreadsheets write them.
    Without ``separator``, ``separator_of`` finds it.

    Raises:
        DataError: two columns have the same name, a row has more or fewer cells than the header, or
            a double quote is not closed.
    """
    csv.field_size_limit(1 << 24)  # 16 MiB, for long answers; the default is 128 KiB
    text = without_preamble(text)
    delimiter = separator or separator_of(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        while head and not head[-1]:
            head.pop()
        if len(set(head)) != len(head):
            twice = next(name for name in head if head.count(name) > 1)
            raise DataError(f"{path}, line 1: has the column {twice!r} twice: rename one")
        line = reader.line_num + 1
        for cells in reader:
            while len(cells) > len(head) and not cells[-1].strip():
                cells.pop()
            if any(cell.strip() for cell in cells):
                if len(cells) != len(head):
                    raise DataError(
                        f"{path}, line {line}: has {len(cells)} cells where the header has"
                        f" {len(head)}: put cells that hold the separator in double quotes"
                    )
                yield line, dict(zip(head, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        line = reader.line_num
        raise DataError(
            f"{path}, line {line}: is not CSV ({error}): check its double quotes"
        ) from error


_UNKNOWN = "extra_forbidden"
_SHOWN = 60
"""Characters of a wrong value that a message shows."""

Checked = TypeVar("Checked", bound=BaseModel)


class Table(BaseModel):
    """A table of a TOML or JSON file: only the declared keys, with values of the declared types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Row(BaseModel):
    """A row of a CSV or JSON Lines file: only the declared columns.

    The cells of CSV are text, so pydantic converts them to the declared types (``"3"`` to 3).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_toml(path: Path, schema: type[Checked]) -> Checked:
    """The TOML file ``path`` as the model ``schema``.

    Raises:
        DataError: the file is missing, empty, not UTF-8 or not TOML, or a key or value is not as
            declared. The line names file, key and value, and the nearest declared key.
    """
    try:
        values = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {error}") from error
    return _checked(f"{path}:", values, schema, "{}")


def read_json(path: Path, schema: type[Checked]) -> Checked:
    """The object in the JSON file ``path`` as the model ``schema``. Raises as ``read_toml``."""
    try:
        values = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is not a JSON object")
    return _checked(f"{path}:", values, schema, "{}")


def check_row(path: Path, line: int, row: Mapping[str, Any], schema: type[Checked]) -> Checked:
    """The row in line ``line`` of the CSV or JSON Lines file ``path`` as the model ``schema``.

    ``row`` holds the cells by column, as ``rows`` gives them. ``schema`` is a
    subclass of ``Row``, or of another model where further columns are allowed.

    Raises:
        DataError: a column is unknown or missing, or a value is not as declared. The line names
            file, line, column and value, and the nearest column.
    """
    return _checked(f"{path}, line {line}:", row, schema, "column {!r}")


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar of ``names``, or an empty string where none is similar."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=0.5)), "")


def _checked(place: str, values: Mapping[str, Any], schema: type[Checked], key: str) -> Checked:
    """``values`` as ``schema``; ``key`` is the form in which messages name a key."""
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise DataError(f"{place} {_message(error, values, schema, key)}") from None


def _message(
    error: ValidationError, values: Mapping[str, Any], schema: type[BaseModel], key: str
) -> str:
    """The first mistake in words, and the number of further ones.

    Unknown keys come first, because a missing key is often a misspelt one.
    """
    mistakes = error.errors(include_url=False)
    first, *others = sorted(mistakes, key=lambda mistake: mistake["type"] != _UNKNOWN)
    location = first["loc"]
    more = f" (and {len(others)} more)" if others else ""
    if not location:  # a check of the whole model
        return f"{_reason(first['msg'])}{more}"
    name = key.format(_name(location))
    if first["type"] == _UNKNOWN:
        return f"{name} is unknown: {_advice(str(location[-1]), _keys(schema, location))}{more}"
    if first["type"] == "missing":
        unused = [key for key in values if key not in _keys(schema, location[:1])]
        similar = nearest(str(location[-1]), unused) if len(location) == 1 else ""
        advice = f"did you mean {similar!r}? rename it" if similar else "add it"
        return f"{name} is missing: {advice}{more}"
    value = repr(first["input"])
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
    return f"{name} is {shown}: {_reason(first['msg'])}{more}"


def _advice(key: str, known: Sequence[str]) -> str:
    similar = nearest(key, known)
    return f"did you mean {similar}?" if similar else f"choose one of {', '.join(known)}"


def _reason(message: str) -> str:
    """pydantic's message in lower case; the message of a validator of ours as it is."""
    for prefix in ("Value error, ", "Assertion failed, "):
        if message.startswith(prefix):
            return message.removeprefix(prefix)
    return message[:1].lower() + message[1:]


def _name(location: tuple[int | str, ...]) -> str:
    """``gate 2, least, exact``: the tables of a list are counted from 1."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, int):
            parts[-1] = f"{parts[-1]} {part + 1}"
        else:
            parts.append(part)
    return ", ".join(parts)


def _keys(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The declared keys of the table that holds the key at ``location``."""
    table: Any = schema
    parts = iter(location[:-1])
    for part in parts:
        if isinstance(part, str):
            annotation = _field(table, part).annotation
            table = _model_in(annotation)
            if get_origin(annotation) is dict:
                next(parts, None)  # a key of the user's
    return [field.alias or name for name, field in table.model_fields.items()]


def _field(table: type[BaseModel], key: str) -> Any:
    fields = table.model_fields
    return next(field for name, field in fields.items() if key in (field.alias, name))


def _model_in(annotation: Any) -> Any:
    """The model in ``list[Model]``, ``dict[str, Model]``, ``Model | None`` or ``Model``."""
    inside = getattr(annotation, "__args__", ())
    if not inside:
        return annotation
    return inside[-1] if get_origin(annotation) is dict else inside[0]
