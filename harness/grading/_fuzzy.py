"""The fuzzy grader: are the accepted names and values in the answer, and no others in their place?

An answer is read in four steps: what it takes back is left out (``_claims``), what is left becomes
words and values (``_digits``, ``_values``), the tokens of each accepted answer are looked for among
them (``_matching``), and an answer that offers more than was asked for is refused (``_choices``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.grading._choices import list_score, names_of, offers_more
from harness.grading._claims import claimed
from harness.grading._matching import accepted_tokens, match
from harness.grading._text import unmarked

FUZZY = "fuzzy-5"
"""Name and version of this grader, part of the recipe of every grading."""

DEFAULT_THRESHOLD = 88.0
"""Lowest similarity (0 to 100, rapidfuzz ratio) that counts as the same name.

It decides about slips of the pen alone: values, and words that are other words, score 0. On
``fixtures/grading/pairs.csv`` precision and recall are both at least 0.98 from 74 to 90
(tests/grading); higher, slips of the pen fail.
"""

_READ = 2000
"""Characters of an answer that are read: what follows is rambling."""


class Verdict(NamedTuple):
    right: bool
    score: float
    """Similarity of the worst-matched name of the best-matched accepted answer, 0 to 100."""
    matched: str
    """The accepted answer that came closest."""
    kind: str = "text"
    """As what that answer was read: ``text``, or a kind and a value (``date 1605-11-05``)."""


def grade(answer: str, accepted: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Verdict:
    """Judge ``answer`` against each accepted answer; names within one are separated by ``;``.

    An answer may be a sentence, hedge (*I think it was ...*), ramble on, or add ``for the film``.
    Values (dates, numbers, money, quantities, times) are compared as values. What is denied or
    taken back does not count; an answer that offers other names beside the right one, or lists
    more than was asked for, is wrong.
    """
    threshold = threshold or DEFAULT_THRESHOLD
    length = max(_READ, 2 * max(map(len, accepted), default=0))
    text = claimed(unmarked(answer)[:length])
    verdicts = [_verdict(text, target, accepted, threshold) for target in accepted]
    return max(verdicts, key=lambda verdict: verdict[:2], default=Verdict(False, 0.0, ""))


def _verdict(text: str, target: str, accepted: Sequence[str], threshold: float) -> Verdict:
    names = names_of(target)
    score = min((max(match(text, name), list_score(text, name)) for name in names), default=0.0)
    right = score >= threshold and not offers_more(text, names, accepted, threshold)
    return Verdict(right, score, target, _kind(names))


def _kind(names: Sequence[str]) -> str:
    target = accepted_tokens(names[0]) if len(names) == 1 else ()
    is_value = len(target) == 1 and target[0].kind != "word"
    return f"{target[0].kind} {target[0].text}" if is_value else "text"
