"""Files that users write, checked against a schema: an unknown key or a wrong type is one line."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.facts import read_text
from harness.errors import DataError

_UNKNOWN = "extra_forbidden"

Checked = TypeVar("Checked", bound="Table")


class Table(BaseModel):
    """A table of a user's file: no key but those that are declared, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def read_toml(path: Path, schema: type[Checked]) -> Checked:
    """``path`` as ``schema`` declares it.

    Raises:
        DataError: the file is missing, no UTF-8 or no TOML, or a key or value is not as declared.
            The line names file, key and value, and the nearest known key.
    """
    try:
        values = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is no TOML: {error}") from error
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{path}: {_line(error, schema)}") from None


def _line(error: ValidationError, schema: type[BaseModel]) -> str:
    """The first mistake; how many more there are stands behind it.

    Unknown keys come first: a key that is missing is mostly one that was misspelt.
    """
    mistakes = error.errors(include_url=False)
    first, *others = sorted(mistakes, key=lambda mistake: mistake["type"] != _UNKNOWN)
    location, value = first["loc"], first["input"]
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == _UNKNOWN:
        known = _keys(schema, location[:-1])
        key = str(location[-1])
        nearest = get_close_matches(key, known, n=1, cutoff=0.5)
        advice = f"write {nearest[0]}" if nearest else f"choose of {', '.join(known)}"
        return f"{_where(location)} is unknown: {advice}{more}"
    if first["type"] == "missing":
        return f"{_where(location)} is missing: add it{more}"
    return f"{_where(location)} is {value!r}: {first['msg'].lower()}{more}"


def _where(location: tuple[int | str, ...]) -> str:
    """``gate 2, least, exact``: tables of a list are counted from 1."""
    parts: list[str] = []
    for part in location:
        if isinstance(part, int):
            parts[-1] = f"{parts[-1]} {part + 1}"
        else:
            parts.append(part)
    return ", ".join(parts)


def _keys(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names that the table at ``location`` may have."""
    table: Any = schema
    for part in location:
        if isinstance(part, int):
            continue
        table = _table_in(table.model_fields[part].annotation)
    return [field.alias or name for name, field in table.model_fields.items()]


def _table_in(annotation: Any) -> Any:
    """The schema within ``list[Schema]``, ``tuple[Schema, ...]`` or ``Schema`` itself."""
    inside = getattr(annotation, "__args__", ())
    return inside[0] if inside else annotation
