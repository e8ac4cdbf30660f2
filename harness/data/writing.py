"""The form in which a model in plain formats writes about a passage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

QUESTIONS = "{text}\n\nQuestions about the text:\n"
"""The prompt for questions with their answers."""
REWRITE = "{text}\n\nThe text in other words:\n"
"""The prompt for the same in other words."""
END = "\n\n"
"""Ends what is written."""
_NONE = "None."
_PAIR = re.compile(r"Question: (?P<question>\S[^\n]*)\nAnswer: (?P<answer>\S[^\n]*)")


class Pair(NamedTuple):
    """A question about a passage, and its answer."""

    question: str
    answer: str


def written(pairs: Iterable[Pair]) -> str:
    """``pairs`` as they are written, with their end; where there is none, that is said."""
    lines = [f"Question: {pair.question}\nAnswer: {pair.answer}" for pair in pairs]
    return "\n".join(lines or [_NONE]) + END


def read_pairs(text: str) -> tuple[list[Pair], int]:
    """The pairs in ``text``, and the number of its other pieces, which cannot be read.

    A piece that is cut off at the end of ``text`` counts as one.
    """
    pairs: list[Pair] = []
    rest = text.strip()
    unreadable = 0
    for piece in re.split(r"\n(?=Question:)", rest) if rest not in ("", _NONE) else ():
        match = _PAIR.fullmatch(piece.strip())
        if match:
            pairs.append(Pair(match["question"].strip(), match["answer"].strip()))
        else:
            unreadable += 1
    return pairs, unreadable
