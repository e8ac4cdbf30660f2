"""What all recipes share: canonical JSON, digests, checks of fields, and settings from text."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any, NamedTuple, TypeVar

from harness.errors import RecipeError

SCHEMA = 1
"""Part of every digest. Raise it when a field changes its meaning: old artefacts are ignored."""

NOT_IN_DIGEST = {"digest": False}
"""``field(metadata=NOT_IN_DIGEST)``: a field that does not change what is built."""

UNLESS_DEFAULT = {"digest": "unless default"}
"""``field(default=..., metadata=UNLESS_DEFAULT)``: a field that was added later.

Recipes that leave it at its default keep their old digests.
"""

BY_DIGEST = {"digest": "unless default", "as": "digest"}
"""Like ``UNLESS_DEFAULT``, for recipes that this one builds upon.

Only their digests go into the JSON: each may build upon others in turn, and would make it long.
"""

_DIGEST = "_digest"
"""The attribute in which a recipe keeps its digest."""
_KIND = "DIGEST_KIND"
"""A class attribute: the first name of a renamed class, which its digests keep."""


def stored_as(name: str, values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Metadata of a renamed field: digests and manifests keep its first name.

    ``values`` maps renamed values to their first spelling. So artefacts that were built before
    the change still have the same digest.
    """
    return {"stored_as": name, "stored_values": values or {}}


def plain(value: Any) -> Any:
    """A recipe as JSON-ready values: dataclasses become objects with their ``kind``.

    Fields that are in no digest are left out.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        stored: dict[str, Any] = {"kind": getattr(value, _KIND, type(value).__name__)}
        for field in _fields(type(value)):
            item = getattr(value, field.name)
            if field.always or item != field.default:
                stored[field.stored_name] = plain(field.stored(item) if field.changed else item)
        return stored
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


class _Field(NamedTuple):
    """A field of a recipe that digests depend on."""

    name: str
    stored_name: str
    """The name in digests and manifests."""
    always: bool
    """Also at its default."""
    default: Any
    changed: bool
    """Whether ``stored`` may give another value than the field has."""
    by_digest: bool
    first_spelling: Mapping[str, str]

    def stored(self, value: Any) -> Any:
        """The value in digests and manifests."""
        if self.by_digest:
            return _digests(value)
        return self.first_spelling.get(value, value) if isinstance(value, str) else value


@cache
def _fields(recipe: type) -> tuple[_Field, ...]:
    """Cached, as a dataset has thousands of samples with the same fields."""
    return tuple(
        _Field(
            field.name,
            str(field.metadata.get("stored_as", field.name)),
            field.metadata.get("digest", True) is True,
            field.default,
            bool(field.metadata),
            field.metadata.get("as") == "digest",
            field.metadata.get("stored_values", {}),
        )
        for field in dataclasses.fields(recipe)
        if field.metadata.get("digest", True)
    )


def _digests(value: Any) -> Any:
    """``value`` with each recipe in it replaced by its digest."""
    if isinstance(value, tuple):
        return [_digests(item) for item in value]
    return digest(value) if dataclasses.is_dataclass(value) else value


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, shortest form of floats, non-ASCII text as it is.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    """The recipe's name in the store: the first 24 hex digits of its canonical JSON's SHA-256."""
    # Kept on the frozen instance: a recipe that builds upon others needs their digests many times.
    attributes: dict[str, Any] = getattr(value, "__dict__", {})
    if _DIGEST not in attributes:
        attributes[_DIGEST] = sha256(f"{SCHEMA}:{canonical(value)}")[:24]
    return str(attributes[_DIGEST])


Changed = TypeVar("Changed")
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def changed(recipe: Changed, settings: Iterable[str], option: str, separator: str = ",") -> Changed:
    r"""``recipe`` with ``NAME=VALUE`` settings. Each value gets the type of the field's default.

    ``separator`` stands between the items of a list; ``\n`` in a text is a newline. ``option`` is
    the command-line option that messages name.

    Raises:
        RecipeError: a name is unknown, a value has the wrong type, or the recipe refuses it.
    """
    # Both calls need a dataclass, which the type variable cannot say.
    defaults = {field.name: field.default for field in fields(recipe)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in defaults:
            raise RecipeError(
                f"{option} {setting}: write NAME=VALUE with NAME of {', '.join(defaults)}"
            )
        try:
            values[name] = _parsed(text, defaults[name], separator)
        except ValueError as error:
            raise RecipeError(f"{option} {setting}: {name} is {error}") from None
    result: Changed = replace(recipe, **values)  # type: ignore[type-var]
    return result


def _parsed(text: str, default: Any, separator: str) -> Any:
    """``text`` as a value of the type of ``default``. Raises ValueError with what is expected."""
    if isinstance(default, tuple):
        return tuple(item.replace("\\n", "\n") for item in text.split(separator)) if text else ()
    if isinstance(default, bool):
        # Some such fields also take a word ("never"), so other text passes; the recipe checks it.
        return _BOOLEANS.get(text.lower(), text)
    if isinstance(default, str):
        return text.replace("\\n", "\n")
    try:
        return type(default)(text)
    except ValueError:
        raise ValueError(f"a number such as {default}") from None


def at_least(name: str, value: int, least: int) -> None:
    """Raise RecipeError where ``value`` of the field ``name`` is below ``least``."""
    if value < least:
        raise RecipeError(f"{name} is {value}: it must be at least {least}")


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise RecipeError where ``value`` of the field ``name`` is not among ``known``."""
    if value not in known:
        raise RecipeError(f"{name} {value!r} is unknown: choose one of {', '.join(known)}")


def true_or_false(name: str, value: object) -> None:
    """Raise RecipeError where ``value`` of the field ``name`` is not a bool."""
    if not isinstance(value, bool):
        raise RecipeError(f"{name} is {value!r}: choose true or false")
