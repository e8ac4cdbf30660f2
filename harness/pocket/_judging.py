"""Training documents for judging: does a given answer mean the same as the expected one?"""

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
    "Given",
    "Student's",
    "Pupil's",
    "Candidate's",
    "Machine's",
    "Player's",
    "Bot's",
    "Their",
    "His",
    "Her",
    "New",
    "Proposed",
    "Second",
    "AI's",
    "Assistant's",
)
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
        "Do they mean the same",
        "Is the student right",
        "Same meaning",
        "Is this correct",
        "Is it a match",
        "Are the two equal",
        "Would you accept it",
        "Is that right",
        "Does the reply agree with the solution",
        "Correct",
        "Does that answer match",
        "Does it fit",
        "Does this count as right",
        "Does he mean the same one",
        "Does she name the same",
        "Does the candidate get it right",
        "Does the reply say what the key says",
        "Do both agree",
        "Are they alike in meaning",
        "Can this be counted as correct",
        "Should it be marked right",
        "Does this tell the same",
        "Does that mean what it should",
        "Does it mean what was expected",
        "Is it the same",
        "Is the same said in both",
        "Do the two say the same thing",
        "Does the second agree",
        "Does it hold",
        "Does one say what the other says",
        "Is the reply a right one",
        "Does it name the right one",
        "Same or not",
    )
    for text in (
        f"{plain}?",
        f"{plain}, yes or no?",
        f"Yes or no: {plain[:1].lower()}{plain[1:]}?",
        f"{plain} (yes/no)?",
    )
)
"""Questions to a judge.

Labels and questions are combined at random. With a dozen fixed ones, the model forgot all other
wordings in a long training.
"""


def document(world: World, rng: random.Random, judge_share: float = 0.5) -> Document:
    """One question with some answers, each with its verdict.

    ``judge_share`` of the documents have the prompts of a judge (``VERDICTS``), the others have
    random labels. Most are folded, because a judge reads its answers so (see ``fold``).
    """
    target = expected(world, rng)
    is_judge_prompt = rng.random() < judge_share
    folded = is_judge_prompt or rng.random() < 0.7
    pairs = [_answer(target, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    text = target.text
    if folded:
        text = fold(text)
        pairs = [(fold(answer), verdict) for answer, verdict in pairs]
    if is_judge_prompt:
        return _judge_prompts(target.question, text, pairs, rng)
    labels = [rng.choice(words) for words in (_QUESTION, _EXPECTED, _GIVEN, _ASKED)]
    opening = f"{labels[0]}{target.question}\n" if rng.random() < 0.85 else ""
    segments = [Segment(f"{opening}{labels[1]}{text}\n", False)]
    for answer, verdict in pairs:
        segments.append(Segment(f"{labels[2]}{answer}\n{labels[3]}", False))
        segments.append(Segment(f" {verdict}\n", True))
    return segments


def _judge_prompts(
    question: str, expected: str, pairs: list[tuple[str, str]], rng: random.Random
) -> Document:
    segments: Document = []
    for answer, verdict in pairs:
        way = rng.choice(VERDICTS)
        prompt = way.prompt.format(question=question, expected=expected, given=answer)
        segments.append(Segment(prompt, False))
        segments.append(Segment(f"{way.same if verdict == 'yes' else way.differ}\n", True))
    return segments


def probe(world: World, rng: random.Random) -> tuple[str, str]:
    """(prompt, ``yes`` or ``no``) in a wording that no training text has, with folded answers."""
    target = expected(world, rng)
    answer, verdict = _answer(target, rng)
    template = rng.choice(PROBES)
    prompt = template.format(
        question=target.question, expected=fold(target.text), given=fold(answer)
    )
    return prompt, verdict


def _answer(target: Expected, rng: random.Random) -> tuple[str, str]:
    """A right or a wrong answer, and the verdict on it."""
    return (same(target, rng), "yes") if rng.random() < 0.5 else (other(target, rng), "no")
