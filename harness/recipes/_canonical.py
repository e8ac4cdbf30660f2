"""Canonical JSON and digests of recipes, and recipes changed by what a user writes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from harness.errors import RecipeError

SCHEMA = 1
"""Raised when the meaning of a recipe's fields changes, so that old artefacts are not mistaken for
new."""

NOT_IN_DIGEST = {"digest": False}
"""``field(metadata=NOT_IN_DIGEST)``: carried along, but without a say in what is made."""

UNLESS_DEFAULT = {"digest": "unless default"}
"""``field(default=..., metadata=UNLESS_DEFAULT)``: a field that came later; recipes without it keep
their digests."""

BY_DIGEST = {"digest": "unless default", "as": "digest"}
"""As ``UNLESS_DEFAULT``, for recipes that this one builds upon: they stand in it by their digests,
as each may build upon others in turn."""

_DIGEST = "_digest"
_KIND = "DIGEST_KIND"
"""A class attribute: the name that a renamed class keeps in digests."""


def stored_as(name: str, values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Metadata of a renamed field: digests and manifests keep its first name.

    ``values`` gives the first spelling of renamed values. What was built before is found again.
    """
    return {"stored_as": name, "stored_values": values or {}}


def plain(value: Any) -> Any:
    """A recipe as JSON-ready values: dataclasses become objects with their ``kind``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field for field in dataclasses.fields(value) if _decides(field, value)]
        stored = {_stored_name(field): plain(_held(field, value)) for field in fields}
        return {"kind": getattr(value, _KIND, type(value).__name__), **stored}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def _decides(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether ``field`` of ``value`` has a say in the digest."""
    rule = field.metadata.get("digest", True)
    return bool(rule) and not (
        rule == UNLESS_DEFAULT["digest"] and getattr(value, field.name) == field.default
    )


def _held(field: dataclasses.Field[Any], value: Any) -> Any:
    held = getattr(value, field.name)
    if field.metadata.get("as") == "digest":
        return _digests(held)
    renamed: Mapping[str, str] = field.metadata.get("stored_values", {})
    return renamed.get(held, held) if isinstance(held, str) else held


def _stored_name(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata.get("stored_as", field.name))


def _digests(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_digests(item) for item in value]
    return digest(value) if dataclasses.is_dataclass(value) else value


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, shortest float form, UTF-8."""
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(value: Any) -> str:
    """The recipe's name in the store: the first 24 hex digits of its canonical JSON's SHA-256."""
    known: dict[str, Any] = getattr(value, "__dict__", {})
    if (
        _DIGEST not in known
    ):  # kept with the frozen value, as recipes that build upon others ask for it again and again
        known[_DIGEST] = sha256(f"{SCHEMA}:{canonical(value)}")[:24]
    found: str = known[_DIGEST]
    return found


Changed = TypeVar("Changed")
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def changed(recipe: Changed, settings: Iterable[str], option: str, between: str = ",") -> Changed:
    r"""``recipe`` with ``name=value`` settings, each of the sort of the field's default.

    ``between`` separates the items of a list; ``\n`` in a text is a newline. ``option`` is named in
    messages.

    Raises:
        RecipeError: a name is unknown, a value is of another sort, or the recipe refuses it.
    """
    # a dataclass
    known = {field.name: field.default for field in fields(recipe)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise RecipeError(
                f"{option} {setting}: write NAME=VALUE with NAME of {', '.join(known)}"
            )
        try:
            values[name] = _read(text, known[name], between)
        except ValueError as error:
            raise RecipeError(f"{option} {setting}: {name} is {error}") from None
    made: Changed = replace(recipe, **values)  # type: ignore[type-var]  # a dataclass
    return made


def _read(text: str, like: Any, between: str) -> Any:
    """Raises ValueError, saying what is wanted."""
    if isinstance(like, tuple):
        return tuple(item.replace("\\n", "\n") for item in text.split(between)) if text else ()
    if isinstance(like, bool):
        return _TRUTHS.get(text.lower(), text)  # some fields take a word, too; the recipe checks it
    if isinstance(like, str):
        return text.replace("\\n", "\n")
    try:
        return type(like)(text)
    except ValueError:
        raise ValueError(f"a number such as {like}") from None
