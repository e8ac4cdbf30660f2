"""The formats in which questions are put, and in which a judge is asked: what the model is given,
how it goes on."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from harness.data.facts import join_names


class Format(NamedTuple):
    """``prompt`` holds ``{question}``; an answer is written ``before`` + answer + newline."""

    prompt: str
    before: str


FORMATS = {
    "newline": Format("{question}\n", ""),
    "qa": Format("Question: {question}\nAnswer:", " "),
    "brandine": Format("Joe: {question}\nBrandine:", " "),
    "assistant": Format("Assistant is a helpful AI.\nJoe: {question}\nAssistant:", " "),
}

PLAIN = "plain"
"""No format: the question is all of the prompt, such as a sentence to be gone on with."""
_ALL = FORMATS | {PLAIN: Format("{question}", " ")}


def ask(name: str, question: str) -> str:
    """``question`` in the format called ``name``, or as it is where that is ``PLAIN``."""
    return _ALL[name].prompt.format(question=question)


def reply(name: str, answer: str) -> str:
    """``answer`` as it continues ``ask(name, ...)``."""
    return f"{_ALL[name].before}{answer}\n"


def split_statement(statement: str) -> tuple[str, str]:
    """What ``statement`` gives and how it goes on, split at its ``|``."""
    given, _, rest = statement.partition("|")
    return split_before(given, rest)


def split_before(given: str, rest: str) -> tuple[str, str]:
    """``given`` and how it goes on; the blank between goes with the word after it.

    Tokenizers have it there: a model that is given ``was `` with the blank, or learns what follows
    without, meets tokens that no text has.
    """
    bare = given.rstrip()
    return bare, given[len(bare) :] + rest


def continuation(prompt: str, answer: str) -> str:
    """An accepted ``answer`` of a probe (``"A; B"`` is a list) as it goes on from ``prompt``."""
    said = join_names(answer)
    return said if not prompt or prompt[-1].isspace() else f" {said}"


def question(prompt: str) -> str:
    """What ``prompt`` asks last, without its format; a prompt in no format is what its last line
    says."""
    for form in sorted(FORMATS.values(), key=lambda f: -len(f.prompt)):
        before, after = (re.escape(part) for part in form.prompt.split("{question}"))
        if found := re.search(f"{before}([^\n]+){after}\\Z", prompt):
            return found[1].strip()
    return (prompt.strip().splitlines() or [""])[-1].strip()


class Verdict(NamedTuple):
    """A way to ask a judge; ``prompt`` holds ``{question}``, ``{expected}`` and ``{given}``."""

    prompt: str
    same: str
    """What it says where the two answers mean the same."""
    differ: str


_LINES = (
    "Expected answer: {expected}\nGiven answer: {given}\n",
    "Given answer: {given}\nExpected answer: {expected}\n",
)
VERDICTS = tuple(
    Verdict(f"Question: {{question}}\n{lines}{asked}", same, differ)
    for lines in _LINES
    for asked, same, differ in (
        ("Do they mean the same?", " yes", " no"),
        ("Do they differ?", " no", " yes"),
    )
)
"""Every order of the answers with every polarity of the question, so that a judge's leaning to
either cancels out."""


def fold(text: str) -> str:
    """Lower case without accents, as a judge reads both answers.

    Neither says anything of meaning, and to a small model the tokens of ``JANE`` and ``Jane`` have
    nothing in common.
    """
    return unaccented(text).lower()


def unaccented(text: str) -> str:
    """Without what combines with a letter: ``Renée`` as ``Renee``."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
