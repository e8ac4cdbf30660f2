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


def coined(rng: random.Random) -> str:
    return "".join(rng.choices(words()["syllables"], k=rng.randint(2, 3))).capitalize()


def person(rng: random.Random) -> str:
    first = rng.choice(words()["first"]) if rng.random() < 0.7 else coined(rng)
    last = rng.choice(words()["last"]) if rng.random() < 0.6 else coined(rng)
    middle = f" {rng.choice('ABCDEFGHJKLMNPRSTW')}." if rng.random() < 0.08 else ""
    return f"{first}{middle} {last}"


def people(rng: random.Random) -> str:
    """One to four people, as an award lists them."""
    names = [person(rng) for _ in range(rng.choices((1, 2, 3, 4, 5), (60, 18, 12, 6, 4))[0])]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def film(rng: random.Random) -> str:
    lists = words()
    one, two = rng.choice(lists["nouns"]), rng.choice(lists["nouns"])
    adjective = rng.choice(lists["adjectives"])
    shapes = (
        f"The {adjective} {one}",
        f"{adjective} {one}",
        f"The {one} and the {two}",
        f"{one} of the {two}",
        f"{coined(rng)}: The {one} of {two}",
        coined(rng),
        f"{adjective} {one} on the {adjective} {two}",
    )
    return rng.choice(shapes)


def year(rng: random.Random) -> str:
    return str(rng.randint(1950, 2040))


def value(kind: str, rng: random.Random) -> str:
    """A random value of ``kind``: a word list, or ``people``, ``years``, ``numbers``."""
    if kind == "people":
        return person(rng)
    if kind == "years":
        return year(rng)
    if kind == "numbers":
        return str(rng.randint(10, 9999))
    return rng.choice(words()[kind])
