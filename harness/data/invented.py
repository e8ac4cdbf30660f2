"""Invented names and values: people, films, years, numbers.

The calls of ``rng`` and their order fix the text that the shipped model was trained on.
"""

from __future__ import annotations

import random
import tomllib
from functools import cache

from harness.data.facts import FIXTURES, read_text


@cache
def words() -> dict[str, list[str]]:
    """The lists of words in ``words.toml``, by kind."""
    lists: dict[str, list[str]] = tomllib.loads(read_text(FIXTURES / "wordings/words.toml"))
    return lists


@cache
def reading() -> dict[str, dict[str, list[str]]]:
    """Templates of statements and questions about people, by kind of fact (``reading.toml``)."""
    text = read_text(FIXTURES / "wordings/reading.toml")
    kinds: dict[str, dict[str, list[str]]] = tomllib.loads(text)
    return kinds


def coined(rng: random.Random) -> str:
    """A word of two or three random syllables."""
    return "".join(rng.choices(words()["syllables"], k=rng.randint(2, 3))).capitalize()


def person(rng: random.Random) -> str:
    """First and last name, sometimes with an initial between them."""
    first = rng.choice(words()["first"]) if rng.random() < 0.7 else coined(rng)
    last = rng.choice(words()["last"]) if rng.random() < 0.6 else coined(rng)
    middle = f" {rng.choice('ABCDEFGHJKLMNPRSTW')}." if rng.random() < 0.08 else ""
    return f"{first}{middle} {last}"


def people(rng: random.Random) -> str:
    """One to five people, as an award lists them: ``A, B and C``."""
    count = rng.choices((1, 2, 3, 4, 5), (60, 18, 12, 6, 4))[0]
    names = [person(rng) for _ in range(count)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def film(rng: random.Random) -> str:
    """A title of a film."""
    lists = words()
    noun = rng.choice(lists["nouns"])
    second = rng.choice(lists["nouns"])
    adjective = rng.choice(lists["adjectives"])
    titles = (
        f"The {adjective} {noun}",
        f"{adjective} {noun}",
        f"The {noun} and the {second}",
        f"{noun} of the {second}",
        f"{coined(rng)}: The {noun} of {second}",
        coined(rng),
        f"{adjective} {noun} on the {adjective} {second}",
    )
    return rng.choice(titles)


def year(rng: random.Random) -> str:
    """A year from 1950 to 2040."""
    return str(rng.randint(1950, 2040))


def value(kind: str, rng: random.Random) -> str:
    """A random value of ``kind``: ``people``, ``years``, ``numbers``, or a list in ``words``."""
    if kind == "people":
        return person(rng)
    if kind == "years":
        return year(rng)
    if kind == "numbers":
        return str(rng.randint(10, 9999))
    return rng.choice(words()[kind])
