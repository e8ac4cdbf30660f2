"""The fuzzy grader: are the accepted names in the answer, and no others in their place?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz import fuzz

from harness.grading._text import words

FUZZY = "fuzzy-2"
"""Name and version of this grader, part of the recipe of every grading."""

DEFAULT_THRESHOLD = 86.0
"""Lowest similarity (0 to 100, rapidfuzz ratio) that counts as the same name.

On ``fixtures/grading/pairs.csv`` precision and recall are both at least 0.98 from 82 to 90
(tests/grading): lower, names that share a surname pass; higher, slips of the pen fail.
"""

_NEGATIONS = {"not", "isnt", "wasnt", "never", "nor", "neither", "instead", "unlike", "than"}
_READ = 60  # words of an answer that are read: what follows is rambling


class Verdict(NamedTuple):
    right: bool
    score: float
    """Similarity of the worst-matched name of the best-matched accepted answer, 0 to 100."""
    matched: str
    """The accepted answer that came closest."""


def grade(answer: str, accepted: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Verdict:
    """Judge ``answer`` against every accepted answer; names within one are joined by ``"; "``, in any order.

    An answer may be a sentence, ramble on, or add ``for the film ...``; numbers must agree to the digit, a name
    that is only denied ("not X") does not count, and a list may not name more than was asked for.
    """
    threshold = threshold or DEFAULT_THRESHOLD
    verdicts = [_one(answer, target, threshold) for target in accepted] or [Verdict(False, 0.0, "")]
    return max(verdicts, key=lambda v: (v.right, v.score))


def _one(answer: str, target: str, threshold: float) -> Verdict:
    names = [name.strip() for name in target.split(";") if name.strip()]
    said = words(answer)[:_READ]
    score = min((_found(said, words(name)) for name in names), default=0.0)
    right = score >= threshold and not _names_more(answer, names, threshold)
    return Verdict(right, score, target)


def _found(said: list[str], name: list[str]) -> float:
    """Best similarity of ``name`` to a run of words in ``said``; a name without letters or digits is never found."""
    if not name:
        return 0.0
    best = 0.0
    wanted = " ".join(name)
    for size in {max(1, len(name) - 1), len(name), len(name) + 1}:
        for left in range(max(0, len(said) - size + 1)):
            run = said[left : left + size]
            if not _denied(said, left) and _digits(run) == _digits(name):
                best = max(best, _similar(run, name, wanted))
    return best


def _similar(run: list[str], name: list[str], wanted: str) -> float:
    """Whole-name similarity; of names of equal length no single word may be another one altogether."""
    whole = fuzz.ratio(" ".join(run), wanted)
    if len(run) != len(name):
        return 95.0 if _bare(run) == _bare(name) else min(whole, 80.0)
    if len(name) == 1 and run != name and (run[0].startswith(wanted) or wanted.startswith(run[0])):
        return min(whole, 80.0)  # "German" is no slip of "Germany"
    worst = min(fuzz.ratio(a, b) for a, b in zip(run, name, strict=True))
    return whole if worst >= 60 else min(whole, worst)


def _bare(name: list[str]) -> str:
    """Without initials and word breaks: ``Ruth E. Carter`` is ``ruthcarter``."""
    return "".join(word for word in name if len(word) > 1)


def _denied(said: list[str], left: int) -> bool:
    return any(word in _NEGATIONS for word in said[max(0, left - 2) : left])


def _digits(run: list[str]) -> list[str]:
    return [word for word in run if any(c.isdigit() for c in word)]


def _names_more(answer: str, names: list[str], threshold: float) -> bool:
    """Whether ``answer`` is a bare list, or a choice, of more names than ``names``."""
    if len(names) == 1 and re.search(r"\band\b|,|\bor\b|/", names[0], re.IGNORECASE):
        return False
    first = re.split(r"[\n!?]|\.(?=\s)(?<![A-Z]\.)|\bfor\b|\(|\bin\b", answer.strip(), maxsplit=1)[0]
    chunks = [c.strip() for c in re.split(r",|;|\band\b|\bor\b|/|&", first)]
    named = [words(c) for c in chunks if re.fullmatch(r"([A-Z][\w.'\u2019-]*\s*){2,5}", c)]
    if len(named) <= len(names):
        return False
    return any(max(_found(c, words(n)) for n in names) < threshold for c in named)
