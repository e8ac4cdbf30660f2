"""Invented people, films, numbers and years."""

from __future__ import annotations

import random
import tomllib
from functools import cache

from harness.data.facts import FIXTURES, read_text


@cache
def words() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/words.toml"))
    return loaded


@cache
def reading() -> dict[str, dict[str, list[str]]]:
    loaded: dict[str, dict[str, list[str]]] = tomllib.loads(
        read_text(FIXTURES / "wordings/reading.toml")
    )
    return loaded


def coined(dice: random.Random) -> str:
    return "".join(dice.choices(words()["syllables"], k=dice.randint(2, 3))).capitalize()


def person(dice: random.Random) -> str:
    first = dice.choice(words()["first"]) if dice.random() < 0.7 else coined(dice)
    last = dice.choice(words()["last"]) if dice.random() < 0.6 else coined(dice)
    middle = f" {dice.choice('ABCDEFGHJKLMNPRSTW')}." if dice.random() < 0.08 else ""
    return f"{first}{middle} {last}"


def people(dice: random.Random) -> str:
    """One to four people, as an award lists them."""
    names = [person(dice) for _ in range(dice.choices((1, 2, 3, 4, 5), (60, 18, 12, 6, 4))[0])]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def film(dice: random.Random) -> str:
    lists = words()
    one, two = dice.choice(lists["nouns"]), dice.choice(lists["nouns"])
    adjective = dice.choice(lists["adjectives"])
    shapes = (
        f"The {adjective} {one}",
        f"{adjective} {one}",
        f"The {one} and the {two}",
        f"{one} of the {two}",
        f"{coined(dice)}: The {one} of {two}",
        coined(dice),
        f"{adjective} {one} on the {adjective} {two}",
    )
    return dice.choice(shapes)


def year(dice: random.Random) -> str:
    return str(dice.randint(1950, 2040))


def value(kind: str, dice: random.Random) -> str:
    """A random value of ``kind``: a word list, or ``people``, ``years``, ``numbers``."""
    if kind == "people":
        return person(dice)
    if kind == "years":
        return year(dice)
    if kind == "numbers":
        return str(dice.randint(10, 9999))
    return dice.choice(words()[kind])
