"""Recipes changed by what a user writes: ``lr=1e-3``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from harness.errors import RecipeError

Changed = TypeVar("Changed")
_TRUTHS = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}


def changed(recipe: Changed, settings: Iterable[str], option: str, between: str = ",") -> Changed:
    r"""``recipe`` with ``name=value`` settings, each of the sort of the field's default.

    ``between`` separates the items of a list; ``\n`` in a text is a newline. ``option`` is named in messages.

    Raises:
        RecipeError: a name is unknown, a value is of another sort, or the recipe refuses it.
    """
    known = {field.name: field.default for field in fields(recipe)}  # type: ignore[arg-type]  # a dataclass
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise RecipeError(f"{option} {setting}: write NAME=VALUE with NAME of {', '.join(known)}")
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
