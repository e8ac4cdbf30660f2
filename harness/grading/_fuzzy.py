"""The fuzzy grader: are the accepted names in the answer, and no others in their place?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz import fuzz

from harness.grading._text import all_words, ungrouped, words

FUZZY = "fuzzy-3"
"""Name and version of this grader, part of the recipe of every grading."""

DEFAULT_THRESHOLD = 88.0
"""Lowest similarity (0 to 100, rapidfuzz ratio) that counts as the same name.

On ``fixtures/grading/pairs.csv`` precision and recall are both at least 0.98 from 82 to 90
(tests/grading): lower, names that share a surname pass; higher, slips of the pen fail. 88 tells Austria from Australia.
"""

_DENIALS = {"not", "isnt", "wasnt", "arent", "werent", "didnt", "doesnt", "never", "nor", "neither"}
"""Before a name in the same clause, up to ``_REACH`` words away: *was not written by X*."""
_CONTRASTS = {"instead", "unlike", "than"}
"""Just before a name: *rather than X*."""
_NONE_OTHER = re.compile(r"\b(none|no|nobody|nothing)( \w+)? other than$")
_REACH = 5
_CLAUSE = re.compile(r"[,;:!?\n]|\.(?=\s)|\b(?=but\b)", re.IGNORECASE)
_POLES = ({"north", "south", "east", "west"}, {"northern", "southern", "eastern", "western"}, {"upper", "lower"})
"""Words that tell two names apart, and are alike as letters."""
_ROMAN = re.compile(r"[ivx]+")
_NAME = re.compile(r"[A-Z][\w.'\u2019-]*(\s+[A-Z][\w.'\u2019-]*){1,4}")
_ACRONYM = re.compile(r"\b[A-Z]{2,}\b")
"""*New York, NY* and *Tim Cook, Apple CEO* name one thing."""
_READ = 60  # words of an answer that are read: what follows is rambling


class Verdict(NamedTuple):
    right: bool
    score: float
    """Similarity of the worst-matched name of the best-matched accepted answer, 0 to 100."""
    matched: str
    """The accepted answer that came closest."""


def grade(answer: str, accepted: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Verdict:
    """Judge ``answer`` against every accepted answer; names within one are joined by ``"; "``, in any order.

    An answer may be a sentence, ramble on, or add ``for the film ...``; numbers must agree to the digit, letters,
    numerals and opposites exactly (*Vitamin C*, *Henry V*, *East*), a name that is only denied ("not X") does not
    count, and a list may not name more than was asked for (``fixtures/grading/hard.csv`` has such cases).
    """
    threshold = threshold or DEFAULT_THRESHOLD
    verdicts = [_one(answer, target, threshold) for target in accepted] or [Verdict(False, 0.0, "")]
    return max(verdicts, key=lambda v: (v.right, v.score))


class _Said(NamedTuple):
    """The words of an answer, and the number of the clause that each is in."""

    words: list[str]
    clauses: list[int]


def _one(answer: str, target: str, threshold: float) -> Verdict:
    names = [name.strip() for name in target.split(";") if name.strip()]
    score = min((_found(_read(answer, own), own) for own in map(_name, names)), default=0.0)
    right = score >= threshold and not _names_more(answer, names, threshold)
    return Verdict(right, score, target)


def _name(name: str) -> list[str]:
    """Its words; *a* at the end is a letter, as in *Vitamin A*."""
    found = words(name)
    return [*found, "a"] if all_words(name)[-1:] == ["a"] != found else found


def _read(answer: str, name: Sequence[str]) -> _Said:
    """``answer`` as ``name`` is looked for in it: with its articles where the name ends in the letter *a*."""
    said = _Said([], [])
    for number, clause in enumerate(_clauses(answer)):
        own = all_words(clause) if name[-1:] == ["a"] else words(clause)
        said.words.extend(own)
        said.clauses.extend([number] * len(own))
    return _Said(said.words[:_READ], said.clauses[:_READ])


def _clauses(answer: str) -> list[str]:
    """``answer`` in clauses; a comma within a number parts nothing."""
    return _CLAUSE.split(ungrouped(answer))


def _found(said: _Said, name: list[str]) -> float:
    """Best similarity of ``name`` to a run of words in ``said``; a name without letters or digits is never found."""
    if not name:
        return 0.0
    best = 0.0
    wanted = " ".join(name)
    for size in {max(1, len(name) - 1), len(name), len(name) + 1}:
        for left in range(max(0, len(said.words) - size + 1)):
            run = said.words[left : left + size]
            if _digits(run) == _digits(name) and not _denied(said, left):
                best = max(best, _similar(run, name, wanted))
    return best


def _similar(run: list[str], name: list[str], wanted: str) -> float:
    """Whole-name similarity; of names of equal length no single word may be another one altogether."""
    whole = fuzz.ratio(" ".join(run), wanted)
    if len(run) != len(name):
        return 95.0 if "".join(run) == "".join(name) or _bare(run) == _bare(name) else min(whole, 80.0)
    if len(name) == 1 and run != name and (run[0].startswith(wanted) or wanted.startswith(run[0])):
        return min(whole, 80.0)  # "German" is no slip of "Germany"
    worst = min(_alike(a, b) for a, b in zip(run, name, strict=True))
    return whole if worst >= 60 else min(whole, worst)


def _alike(one: str, other: str) -> float:
    """Similarity of two words; 0 where a slip of the pen would make another name of it."""
    if one == other:
        return 100.0
    letters = min(len(one), len(other)) == 1 or (_ROMAN.fullmatch(one) and _ROMAN.fullmatch(other))
    if letters or any({one, other} <= pole for pole in _POLES):
        return 0.0
    return fuzz.ratio(one, other)


def _bare(name: list[str]) -> list[str]:
    """Without initials: ``Ruth E. Carter`` is ``ruth carter``. A letter at the end is none (*Vitamin C*), nor one that
    may be a number (*Henry V of England*), nor one before a single word (*E Street*)."""
    kept = [word for word in name[:-1] if len(word) > 1 or _ROMAN.fullmatch(word)] + name[-1:]
    return kept if len(kept) > 1 else name


def _denied(said: _Said, left: int) -> bool:
    clause = said.clauses[left]
    before = [w for w, own in zip(said.words[:left], said.clauses[:left], strict=True) if own == clause][-_REACH:]
    told = [word for word, after in zip(before, [*before[1:], ""], strict=False) if after not in {"only", "just"}]
    if _DENIALS.intersection(told):
        return True
    return bool(_CONTRASTS.intersection(before[-2:])) and not _NONE_OTHER.search(" ".join(before))


def _digits(run: list[str]) -> list[str]:
    return [word for word in run if any(c.isdigit() for c in word)]


def _names_more(answer: str, names: list[str], threshold: float) -> bool:
    """Whether ``answer`` is a bare list, or a choice, of more names than ``names``."""
    if len(names) == 1 and re.search(r"\band\b|,|\bor\b|/", names[0], re.IGNORECASE):
        return False
    first = re.split(r"[\n!?]|\.(?=\s)(?<![A-Z]\.)|\bfor\b|\(|\bin\b", answer.strip(), maxsplit=1)[0]
    chunks = [c.strip() for c in re.split(r",|;|\band\b|\bor\b|/|&", first)]
    named = [chunk for chunk in chunks if _NAME.fullmatch(chunk) and not _ACRONYM.search(chunk)]
    if len(named) <= len(names):
        return False
    return any(max(_found(_read(c, own), own) for own in map(_name, names)) < threshold for c in named)
