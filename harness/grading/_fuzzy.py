"""The fuzzy grader: are the accepted names and values in the answer, and no others beside them?

An answer is read in four steps:

1. Parts that it takes back are blanked out (``_claims``).
2. The rest becomes words and values (``_patterns``, ``_values``).
3. The tokens of each accepted answer are searched among them (``_matching``).
4. An answer that offers more names than the question asks for is wrong (``_choices``).
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

It decides only about misspelt words: other values and other words score 0 at any threshold.
On ``fixtures/grading/pairs.csv``, precision and recall are both at least 0.98 for thresholds from
74 to 90 (tests/grading). Above 90, misspelt names fail.
"""

_READ = 2000
"""Characters of an answer that are read. Models that do not stop repeat themselves after that."""


class Verdict(NamedTuple):
    """The grade of one answer."""

    right: bool
    score: float
    """Similarity of the worst-matched name of the best-matched accepted answer, 0 to 100."""
    matched: str
    """The accepted answer that came closest."""
    kind: str = "text"
    """How that accepted answer was read: ``text``, or kind and value (``date 1605-11-05``)."""


def grade(answer: str, accepted: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> Verdict:
    """The best verdict on ``answer`` over all ``accepted`` answers.

    An accepted answer may list several names, separated by ``;``: all of them must be there.
    ``answer`` may be a sentence, hedge (*I think it was ...*), go on, or add ``for the film``.
    Values (dates, numbers, money, quantities, times) are compared as values. Denied or retracted
    parts do not count. An answer that offers other names beside the right one is wrong.
    """
    threshold = threshold or DEFAULT_THRESHOLD
    # A long accepted answer, such as a list, needs more of the answer than _READ.
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
    if len(target) != 1 or target[0].kind == "word":
        return "text"
    return f"{target[0].kind} {target[0].text}"
