"""Judging: whether a given answer means the same as the expected one, with near misses."""

from __future__ import annotations

import random
from collections.abc import Callable

from harness.facts import World, spoken
from harness.formats import VERDICTS, fold, unaccented
from harness.pocket import _words
from harness.pocket._parts import Document, Part

PROBES = ("Question: {question}\nRight answer: {expected}\nModel's answer: {given}\nDoes it say the same, yes or no?",)
_QUESTION = ("Question: ", "Q: ", "Asked: ", "The question: ", "The question was: ", "")
_EXPECTED = (
    "Expected answer: ",
    "Correct: ",
    "Correct answer: ",
    "Reference: ",
    "Answer key: ",
    "True answer: ",
    "It should be: ",
    "The solution: ",
    "Gold answer: ",
)
_GIVEN = (
    "Given answer: ",
    "Student: ",
    "Student's answer: ",
    "Reply: ",
    "Response: ",
    "Answered: ",
    "Candidate: ",
    "The pupil wrote: ",
    "What the machine said: ",
)
_ASKED = (
    "Do they mean the same?",
    "Is the student right?",
    "Same meaning, yes or no?",
    "Is this correct?",
    "Is it a match?",
    "Are the two equal, yes or no?",
    "Would you accept it?",
    "Yes or no: is that right?",
    "Does the reply agree with the solution?",
    "Correct, yes or no?",
)
_WRAPS = (
    *4 * ("{}",),
    "{}.",
    "It was {}.",
    "The answer is {}.",
    "I think it was {}, if I remember well.",
    "{}. Do you want to know more?",
    "That would be {}.",
    "Sure! {}.",
    "{}, as far as I know.",
)
"""Around right and wrong answers alike, so that none of them gives the verdict away."""
_REFUSALS = (
    "I don't know.",
    "I am not sure.",
    "I cannot answer that.",
    "No idea, sorry.",
    "That has not been announced yet.",
    "I have no information on that.",
    "As a language model I cannot know that.",
    "",
)
_NEUTRAL = ("Who was it?", "What is the answer?", "Which one was it?", "What did the text say?")


def document(world: World, dice: random.Random) -> Document:
    """One question with several given answers, each with its verdict.

    Half are put as a judge is asked (``VERDICTS``), half in labels put together by chance. Most are folded, as a judge
    reads them: case and accents say nothing of meaning, and their tokens have nothing in common.
    """
    question, names = _expected(world, dice)
    expected = spoken("; ".join(names))
    folded = dice.random() < 0.85
    pairs = [_given(names, dice) for _ in range(dice.choice((1, 3, 5, 6)))]
    if folded:
        expected, pairs = fold(expected), [(fold(given), verdict) for given, verdict in pairs]
    if dice.random() < 0.5:
        return _as_a_judge_is_asked(question, expected, pairs, dice)
    labels = [dice.choice(words) for words in (_QUESTION, _EXPECTED, _GIVEN, _ASKED)]
    opening = f"{labels[0]}{question}\n" if dice.random() < 0.85 else ""
    found = [Part(f"{opening}{labels[1]}{expected}\n", False)]
    for given, verdict in pairs:
        found += [Part(f"{labels[2]}{given}\n{labels[3]}", False), Part(f" {verdict}\n", True)]
    return found


def _as_a_judge_is_asked(question: str, expected: str, pairs: list[tuple[str, str]], dice: random.Random) -> Document:
    found: Document = []
    for given, verdict in pairs:
        way = dice.choice(VERDICTS)
        prompt = way.prompt.format(question=question, expected=expected, given=given)
        found += [Part(prompt, False), Part(f"{way.same if verdict == 'yes' else way.differ}\n", True)]
    return found


def probe(world: World, dice: random.Random) -> tuple[str, str]:
    """(prompt, ``yes`` or ``no``) in a wording that no training text has; folded, as a judge reads."""
    question, names = _expected(world, dice)
    given, verdict = _given(names, dice)
    expected = fold(spoken("; ".join(names)))
    return dice.choice(PROBES).format(question=question, expected=expected, given=fold(given)), verdict


def _given(names: list[str], dice: random.Random) -> tuple[str, str]:
    """An answer and the verdict on it."""
    return (_same(names, dice), "yes") if dice.random() < 0.5 else (_other(names, dice), "no")


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
        return dice.choice(_NEUTRAL), dice.choices(kinds, (4, 2, 1, 1))[0]()
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
        lambda: text,
        lambda: text.lower(),
        lambda: text.upper(),
        lambda: unaccented(text),
        lambda: f"{text} for {_words.film(dice)}",
        lambda: f"{text}, for the film {_words.film(dice)}",
        lambda: " and ".join(names),
        lambda: f"{text} ({_words.film(dice)})",
        lambda: f"{text}. {_rambling(dice)}",
        lambda: _slipped(text, dice),
        lambda: text.removeprefix("The ") if len(text) > 8 else text,
    )
    return dice.choice(_WRAPS).format(dice.choice(shapes)())


def _rambling(dice: random.Random) -> str:
    asked = f"Who won {_words.film(dice)} in {_words.year(dice)}? {_words.person(dice)}"
    return dice.choice((asked, f"{_words.film(dice)} was also there", f"Not {_words.person(dice)}"))


def _slipped(text: str, dice: random.Random) -> str:
    """A slip of the pen: one letter of a long enough name is missing, doubled, or swapped with the next."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if len(text) < 8 or not places or any(c.isdigit() for c in text):
        return text
    i = dice.choice(places)
    swapped = text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + dice.choice((text[i + 1 :], text[i] + text[i:], swapped))


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
        lambda: f"not {text}, but {_words.person(dice)}",
    ]
    if len(parts) > 1:
        shapes += 3 * [
            lambda: f"{parts[0]} {dice.choice(_words.words()['last'])}",
            lambda: f"{dice.choice(_words.words()['first'])} {parts[-1]}",
        ]
    else:
        shapes += 3 * [lambda: _words.coined(dice), lambda: dice.choice(_words.words()["cities"])]
    wrong = dice.choice(shapes)()
    return dice.choice(_REFUSALS) if wrong == text else _dressed(wrong, dice)


def _dressed(text: str, dice: random.Random) -> str:
    """``text`` with what says nothing about whether it is right: case, and words around it."""
    if text in _REFUSALS:
        return text
    return dice.choice(_WRAPS).format(dice.choice((text, text, text, text.lower(), text.upper(), unaccented(text))))
