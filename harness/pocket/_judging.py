"""Judging: whether a given answer means the same as the expected one, with near misses."""

from __future__ import annotations

import random

from harness.data.facts import World
from harness.data.formats import VERDICTS, fold
from harness.pocket._answers import Expected, expected, other, same
from harness.pocket._parts import Document, Segment

PROBES = (
    (
        "Question: {question}\nRight answer: {expected}\nModel's answer: {given}\nDoes it say the"
        " same, yes or no?"
    ),
)
_QUESTION = (
    "Question: ",
    "Q: ",
    "Asked: ",
    "The question: ",
    "The question was: ",
    "Task: ",
    "They asked: ",
    "",
)
_KINDS = ("answer", "reply", "solution", "response", "result", "name")
_TRUE = (
    "Expected",
    "Correct",
    "Reference",
    "True",
    "Gold",
    "Wanted",
    "Official",
    "Real",
    "Proper",
    "Known",
    "Best",
)
_THEIRS = (
    "Given", "Student's", "Pupil's", "Candidate's", "Machine's", "Player's", "Bot's", "Their",
    "His", "Her", "New",
    "Proposed", "Second", "AI's", "Assistant's",
)  # fmt: skip
_EXPECTED = (
    *(f"{whose} {kind}: " for whose in _TRUE for kind in _KINDS),
    *(
        "Correct: ",
        "Answer key: ",
        "It should be: ",
        "The solution: ",
        "The key says: ",
        "We want: ",
        "Right: ",
    ),
)
_GIVEN = (
    *(f"{whose} {kind}: " for whose in _THEIRS for kind in _KINDS),
    *(
        "Student: ",
        "Reply: ",
        "Response: ",
        "Answered: ",
        "Model: ",
        "The pupil wrote: ",
        "What the machine said: ",
    ),
)
_ASKED = tuple(
    text
    for plain in (
        "Do they mean the same", "Is the student right", "Same meaning", "Is this correct",
        "Is it a match",
        "Are the two equal", "Would you accept it", "Is that right",
        "Does the reply agree with the solution",
        "Correct", "Does that answer match", "Does it fit", "Does this count as right",
        "Does he mean the same one",
        "Does she name the same", "Does the candidate get it right",
        "Does the reply say what the key says",
        "Do both agree", "Are they alike in meaning", "Can this be counted as correct",
        "Should it be marked right",
        "Does this tell the same", "Does that mean what it should",
        "Does it mean what was expected", "Is it the same",
        "Is the same said in both", "Do the two say the same thing", "Does the second agree",
        "Does it hold",
        "Does one say what the other says", "Is the reply a right one",
        "Does it name the right one", "Same or not",
    )
    for text in (
        f"{plain}?", f"{plain}, yes or no?", f"Yes or no: {plain[:1].lower()}{plain[1:]}?",
        f"{plain} (yes/no)?"
    )
)  # fmt: skip
"""Labels and questions put together by chance: with a dozen fixed ones a long training lost all
others."""


def document(world: World, rng: random.Random, asked_so: float = 0.5) -> Document:
    """One question with given answers, each with its verdict.

    A share of ``asked_so`` is put as a judge is asked (``VERDICTS``), the rest in labels put
    together by chance. Most are folded, as a judge reads them: case and accents say nothing of
    meaning, and their tokens have nothing in common.
    """
    wanted = expected(world, rng)
    as_asked = rng.random() < asked_so
    folded = as_asked or rng.random() < 0.7
    pairs = [_given(wanted, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    text = wanted.text
    if folded:
        text, pairs = fold(text), [(fold(given), verdict) for given, verdict in pairs]
    if as_asked:
        return _as_a_judge_is_asked(wanted.question, text, pairs, rng)
    labels = [rng.choice(words) for words in (_QUESTION, _EXPECTED, _GIVEN, _ASKED)]
    opening = f"{labels[0]}{wanted.question}\n" if rng.random() < 0.85 else ""
    found = [Segment(f"{opening}{labels[1]}{text}\n", False)]
    for given, verdict in pairs:
        found += [
            Segment(f"{labels[2]}{given}\n{labels[3]}", False),
            Segment(f" {verdict}\n", True),
        ]
    return found


def _as_a_judge_is_asked(
    question: str, expected: str, pairs: list[tuple[str, str]], rng: random.Random
) -> Document:
    found: Document = []
    for given, verdict in pairs:
        way = rng.choice(VERDICTS)
        prompt = way.prompt.format(question=question, expected=expected, given=given)
        found += [
            Segment(prompt, False),
            Segment(f"{way.same if verdict == 'yes' else way.differ}\n", True),
        ]
    return found


def probe(world: World, rng: random.Random) -> tuple[str, str]:
    """(prompt, ``yes`` or ``no``) in a wording that no training text has; folded, as a
    judge reads."""
    wanted = expected(world, rng)
    given, verdict = _given(wanted, rng)
    asked = rng.choice(PROBES)
    return (
        asked.format(question=wanted.question, expected=fold(wanted.text), given=fold(given)),
        verdict,
    )


def _given(wanted: Expected, rng: random.Random) -> tuple[str, str]:
    """An answer and the verdict on it."""
    return (same(wanted, rng), "yes") if rng.random() < 0.5 else (other(wanted, rng), "no")
