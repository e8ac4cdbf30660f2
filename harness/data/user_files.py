"""Files that users write, checked against pydantic models: one mistake is one line of text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.facts import read_text
from harness.errors import DataError

_UNKNOWN = "extra_forbidden"
_SHOWN = 60
"""Characters of a wrong value that a message shows."""

Checked = TypeVar("Checked", bound=BaseModel)


class Table(BaseModel):
    """A table of a TOML file: only the declared keys, only values of the declared types."""

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


def check_row(path: Path, line: int, row: Mapping[str, Any], schema: type[Checked]) -> Checked:
    """The row in line ``line`` of the CSV or JSON Lines file ``path`` as the model ``schema``.

    ``row`` holds the cells by column, as ``harness.data.tables.rows`` gives them. ``schema`` is a
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
    for part in location[:-1]:
        if isinstance(part, str):
            table = _model_in(_field(table, part).annotation)
    return [field.alias or name for name, field in table.model_fields.items()]


def _field(table: type[BaseModel], key: str) -> Any:
    fields = table.model_fields
    return next(field for name, field in fields.items() if key in (field.alias, name))


def _model_in(annotation: Any) -> Any:
    """The model in ``list[Model]``, ``tuple[Model, ...]``, ``Model | None`` or ``Model``."""
    inside = getattr(annotation, "__args__", ())
    return inside[0] if inside else annotation
