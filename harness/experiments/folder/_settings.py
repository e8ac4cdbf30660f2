"""scenario.toml: how the folder's facts are told and trained. Everything has a default."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from harness.data.facts import read_text
from harness.data.formats import FORMATS, PLAIN
from harness.errors import DataError, RecipeError
from harness.recipes import Training
from harness.training.presets import SINGLE, preset

Axes = Mapping[str, tuple[Any, ...]]
"""Values by name of a training parameter; every combination is a cell."""

_KNOWN = ("title", "formats", "headline", "edits", "wordings", "training", "grid", "full")
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Training)}
_DEFAULT: Axes = MappingProxyType({"rank": (8, 64)})
_FULL: Axes = MappingProxyType({"rank": (4, 16, 64), "lr": (3e-4, 1e-3, 3e-3)})


class Settings(NamedTuple):
    """What scenario.toml says."""

    title: str = ""
    """Of the scenario's chapter in the report; by default its name."""
    formats: tuple[str, ...] = ("qa",)
    """Questions are trained in these, taking turns; they are asked in the others, too."""
    headline: str = ""
    """The kind of recall that plots show; by default ``rephrased`` where there is any, else the
    first."""
    edits: int = 0
    """How many edits of edits.json are taken, from its beginning; 0 are all."""
    wordings: int = 0
    """How many further wordings of each fact's questions are made and trained; 0 leaves them as
    they are written."""
    training: Training = SINGLE
    default: Axes = _DEFAULT
    """The default grid."""
    full: Axes = _FULL


def read_settings(path: Path) -> Settings:
    """The settings in ``path``, or the defaults where there is no such file. Raises DataError,
    naming the key."""
    if not path.is_file():
        return Settings()
    try:
        given = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is no TOML: {error}") from error
    _known(f"{path}:", given, _KNOWN)
    return Settings(
        title=_text(path, given, "title"),
        formats=_formats(path, given["formats"]) if "formats" in given else Settings().formats,
        headline=_text(path, given, "headline"),
        edits=_count(path, given, "edits"),
        wordings=_count(path, given, "wordings"),
        training=(
            _training(path, _table(path, given, "training")) if "training" in given else SINGLE
        ),
        default=_axes(path, "grid", _table(path, given, "grid")) if "grid" in given else _DEFAULT,
        full=_axes(path, "full", _table(path, given, "full")) if "full" in given else _FULL,
    )


def _text(path: Path, given: Mapping[str, Any], key: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise DataError(f"{path}: {key} is {value!r}: write it in quotes")
    return value


def _count(path: Path, given: Mapping[str, Any], key: str) -> int:
    value = given.get(key, 0)
    if type(value) is not int or value < 0:
        raise DataError(f"{path}: {key} is {value!r}: write how many, such as {key} = 20")
    return value


def _table(path: Path, given: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = given[key]
    if not isinstance(value, dict):
        raise DataError(f"{path}: {key} is {value!r}: write a table, [{key}]")
    return value


def _formats(path: Path, value: Any) -> tuple[str, ...]:
    known = (*FORMATS, PLAIN)
    if not isinstance(value, list) or not value or not all(name in known for name in value):
        raise DataError(f"{path}: formats is {value!r}: list some of {', '.join(known)}")
    return tuple(value)


def _training(path: Path, given: Mapping[str, Any]) -> Training:
    """A preset with changes; without one, what suits one wording a fact."""
    where = f"{path}, [training]:"
    _known(where, given, ("preset", *(name for name in _DEFAULTS if name != "seed")))
    changes = {
        name: _value(where, name, value) for name, value in given.items() if name != "preset"
    }
    try:
        return altered(preset(str(given["preset"])) if "preset" in given else SINGLE, changes)
    except RecipeError as error:
        raise DataError(f"{where} {error}") from error


def _axes(path: Path, key: str, given: Mapping[str, Any]) -> Axes:
    where = f"{path}, [{key}]:"
    _known(where, given, [name for name in _DEFAULTS if name != "seed"])
    for name, values in given.items():
        if not isinstance(values, list) or not values:
            raise DataError(
                f"{where} {name} is {values!r}: list its values, such as {name} ="
                f" [{_DEFAULTS[name]!r}]"
            )
    return {
        name: tuple(_value(where, name, value) for value in values)
        for name, values in given.items()
    }


def altered(training: Training, changes: Mapping[str, Any]) -> Training:
    """``training`` with ``changes``; alpha keeps its ratio to the rank where only the rank is
    changed."""
    if "rank" in changes and "alpha" not in changes:
        changes = {
            **changes,
            "alpha": max(1, round(training.alpha / training.rank * changes["rank"])),
        }
    return replace(training, **changes)


def _value(where: str, name: str, value: Any) -> Any:
    """``value`` in the type of the parameter ``name``. Raises DataError where it is of another."""
    default = _DEFAULTS[name]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (
        isinstance(default, tuple)
        and isinstance(value, list)
        and all(isinstance(one, str) for one in value)
    ):
        return tuple(value)
    if type(value) is not type(default):
        shown = list(default) if isinstance(default, tuple) else default
        raise DataError(f"{where} {name} is {value!r}: write something like {shown!r}")
    return value


def _known(where: str, given: Mapping[str, Any], known: Any) -> None:
    for name in given:
        if name == "seed":
            raise DataError(f"{where} seeds are not set here: give --seeds 0,1,2")
        if name not in known:
            raise DataError(f"{where} {name!r} is unknown: choose of {', '.join(known)}")
