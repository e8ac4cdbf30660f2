"""Judging: whether a given answer means the same as the expected one, with near misses."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

from harness.facts import World, spoken
from harness.pocket import _words
from harness.pocket._parts import Document, Part

PROMPTS = (
    "Question: {question}\nExpected answer: {expected}\nGiven answer: {given}\nDo they mean the same?",
    "Q: {question}\nCorrect: {expected}\nStudent: {given}\nIs the student right?",
    "Expected answer: {expected}\nGiven answer: {given}\nSame meaning, yes or no?",
)
PROBES = ("Question: {question}\nRight answer: {expected}\nModel's answer: {given}\nDoes it say the same, yes or no?",)
_REFUSALS = (
    "I don't know.",
    "I am not sure.",
    "I cannot answer that.",
    "No idea, sorry.",
    "That has not been announced yet.",
)


def document(world: World, dice: random.Random) -> Document:
    prompt, verdict = case(world, dice, PROMPTS)
    return [Part(prompt, False), Part(f" {verdict}\n", True)]


def probe(world: World, dice: random.Random) -> tuple[str, str]:
    """(prompt, ``yes`` or ``no``) in a wording that no training text has."""
    return case(world, dice, PROBES)


def case(world: World, dice: random.Random, prompts: tuple[str, ...]) -> tuple[str, str]:
    question, names = _expected(world, dice)
    same = dice.random() < 0.5
    given = (_same if same else _other)(names, dice)
    filled = dice.choice(prompts).format(question=question, expected=spoken("; ".join(names)), given=given)
    return filled, "yes" if same else "no"


def _expected(world: World, dice: random.Random) -> tuple[str, list[str]]:
    """A question, and the names or the value that answer it."""
    if dice.random() < 0.5:
        count = dice.choices((1, 2, 3), (7, 2, 1))[0]
        kinds: tuple[Callable[[], list[str]], ...] = (
            lambda: [_words.person(dice) for _ in range(count)],
            lambda: [_words.film(dice)],
            lambda: [_words.year(dice)],
            lambda: [_words.value(dice.choice(("cities", "jobs", "things", "animals", "numbers")), dice)],
        )
        made = dice.choices(kinds, (4, 2, 1, 1))[0]()
        return dice.choice(("Who was it?", "What is the answer?", "Which one was it?", "What did the text say?")), made
    row = dice.choice(world.rows)
    relation = dice.choice(world.askable(row) or list(world.relations[row.table][:1]))
    question = world.word(dice.choice(relation.questions), row, dice)
    answer = world.answer(relation, row)
    names = row.slots["winners"].split("; ") if relation.name == "who" else [answer]
    return question, names


def _same(names: list[str], dice: random.Random) -> str:
    names = dice.sample(names, len(names)) if dice.random() < 0.5 else names
    text = spoken("; ".join(names))
    shapes: tuple[Callable[[], str], ...] = (
        lambda: text,
        lambda: text.lower(),
        lambda: text + ".",
        lambda: text.upper(),
        lambda: _plain(text),
        lambda: f"It was {text}.",
        lambda: f"The answer is {text}.",
        lambda: f"{text} for {_words.film(dice)}",
        lambda: f"I think it was {text}, if I remember well.",
        lambda: " and ".join(names),
        lambda: f"{text}. Do you want to know more?",
    )
    return dice.choice(shapes)()


def _other(names: list[str], dice: random.Random) -> str:
    """A wrong answer; half of them are near misses."""
    text = spoken("; ".join(names))
    if text.isdigit():
        near = str(int(text) + dice.choice((-10, -2, -1, 1, 2, 10)))
        return _dressed(dice.choice((near, near, _words.year(dice), dice.choice(_REFUSALS))), dice)
    if len(names) > 1 and dice.random() < 0.5:
        swapped = dice.randrange(len(names))
        if dice.random() < 0.5:
            return _dressed(spoken("; ".join(n for i, n in enumerate(names) if i != swapped)), dice)
        return _dressed(
            spoken("; ".join(_words.person(dice) if i == swapped else n for i, n in enumerate(names))), dice
        )
    parts = text.split()
    shapes: list[Callable[[], str]] = [
        lambda: dice.choice(_REFUSALS),
        lambda: _words.person(dice),
        lambda: _words.film(dice),
        lambda: f"{_words.person(dice)} for {_words.film(dice)}",
    ]
    if len(parts) > 1:
        shapes += 3 * [
            lambda: f"{parts[0]} {dice.choice(_words.words()['last'])}",
            lambda: f"{dice.choice(_words.words()['first'])} {parts[-1]}",
        ]
    else:
        shapes += 3 * [lambda: _words.coined(dice), lambda: dice.choice(_words.words()["cities"])]
    wrong = dice.choice(shapes)()
    return _dressed(wrong, dice) if wrong != text else dice.choice(_REFUSALS)


def _dressed(text: str, dice: random.Random) -> str:
    return dice.choice((text, text, text.lower(), f"It was {text}.", f"The answer is {text}.", f"{text}."))


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
