"""scenario.toml: how a folder's facts are written and trained. Everything has a default."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, create_model, field_validator

from harness.data.facts import read_text
from harness.data.formats import FORMATS, PLAIN
from harness.data.user_files import Table, read_toml
from harness.errors import DataError, RecipeError
from harness.recipes import Training
from harness.training.presets import AUTO, SINGLE, preset

Axes = Mapping[str, tuple[Any, ...]]
"""Values by name of a training parameter; every combination is a cell."""

_DEFAULT: Axes = MappingProxyType({"rank": (8, 64)})
_FULL: Axes = MappingProxyType({"rank": (4, 16, 64), "lr": (3e-4, 1e-3, 3e-3)})


class Settings(NamedTuple):
    """The settings of scenario.toml."""

    title: str = ""
    """The title of its chapter in the report; by default the scenario's name."""
    formats: tuple[str, ...] = ("qa",)
    """Questions are trained in these, taking turns; they are asked in the others, too."""
    headline: str = ""
    """The kind of recall that plots show; by default ``rephrased`` where there is any."""
    edits: int = 0
    """How many edits of edits.json are used, from its beginning; 0: all."""
    wordings: int = 0
    """How many further wordings of each fact's questions are made and trained."""
    training: Training | None = None
    """None: the preset that fits the model, with ``changes``."""
    changes: Mapping[str, Any] = MappingProxyType({})
    default: Axes = _DEFAULT
    full: Axes = _FULL


class _Parameters(Table):
    """A table with fields of Training; ``_table`` adds them."""

    seed: Any = None

    @field_validator("seed")
    @classmethod
    def _no_seed(cls, value: Any) -> Any:
        raise ValueError("seeds are not set here: give --seeds 0,1,2")


def _type(default: Any) -> Any:
    return list[str] if isinstance(default, tuple) else type(default)


def _table(name: str, *, lists: bool, **more: Any) -> type[_Parameters]:
    """A table with a key for each training parameter: one value, or a list of them."""
    keys: dict[str, Any] = {}
    for parameter in fields(Training):
        if parameter.name != "seed":
            value = _type(parameter.default)
            values: Any = Annotated[list[value], Field(min_length=1)]  # type: ignore[valid-type]
            kind = values if lists else value
            keys[parameter.name] = (kind | None, None)
    return create_model(name, __base__=_Parameters, **keys, **more)


_TrainingTable = _table("Training", lists=False, preset=(str | None, None))
_GridTable = _table("Grid", lists=True)
_Count = Annotated[int, Field(ge=0)]
_Form = Literal[(*FORMATS, PLAIN)]  # type: ignore[valid-type]  # the names are computed


class _File(Table):
    """scenario.toml."""

    title: str = ""
    formats: Annotated[list[_Form], Field(min_length=1)] = ["qa"]  # noqa: RUF012  # pydantic copies
    headline: str = ""
    edits: _Count = 0
    wordings: _Count = 0
    training: _TrainingTable | None = None  # type: ignore[valid-type]
    grid: _GridTable | None = None  # type: ignore[valid-type]
    full: _GridTable | None = None  # type: ignore[valid-type]


def read_settings(path: Path) -> Settings:
    """The settings in ``path``, or the defaults where there is no such file.

    Raises:
        DataError: a key or a value is not one of scenario.toml's; the line names it.
    """
    if not path.is_file():
        return Settings()
    file = read_toml(path, _File)
    written = tomllib.loads(read_text(path))  # pydantic does not keep the order of the keys
    values = _set(file.training, written["training"]) if file.training else {}
    values = {name: value for name, value in values.items() if (name, value) != ("preset", AUTO)}
    return Settings(
        title=file.title,
        formats=tuple(file.formats),
        headline=file.headline,
        edits=file.edits,
        wordings=file.wordings,
        training=_training(path, values),
        changes=values,
        default=_axes(file.grid, written["grid"]) if file.grid else _DEFAULT,
        full=_axes(file.full, written["full"]) if file.full else _FULL,
    )


def altered(training: Training, changes: Mapping[str, Any]) -> Training:
    """``training`` with ``changes``.

    Alpha keeps its ratio to the rank where only the rank is changed.
    """
    if "rank" in changes and "alpha" not in changes:
        alpha = max(1, round(training.alpha / training.rank * changes["rank"]))
        changes = {**changes, "alpha": alpha}
    return replace(training, **changes)


def _training(path: Path, values: Mapping[str, Any]) -> Training | None:
    """A preset with changes; None where the preset is to fit the model."""
    name = values.get("preset")
    changes = {key: value for key, value in values.items() if key != "preset"}
    try:
        # checked now, on any preset: a mistake should not wait for a model
        training = altered(preset(name) if name else SINGLE, changes)
    except RecipeError as error:
        raise DataError(f"{path}, [training]: {error}") from error
    return training if name else None


def _axes(table: _Parameters, order: Iterable[str]) -> Axes:
    return {name: tuple(values) for name, values in _set(table, order).items()}


def _set(table: _Parameters, order: Iterable[str]) -> dict[str, Any]:
    """The keys that the file has, in its ``order``; lists of words as tuples as in Training."""
    words = {each.name for each in fields(Training) if isinstance(each.default, tuple)}

    def value(name: str) -> Any:
        content = getattr(table, name)
        if name not in words:
            return content
        return [tuple(each) for each in content] if isinstance(content[0], list) else tuple(content)

    return {name: value(name) for name in order}
