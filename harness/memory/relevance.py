"""Whether a passage is about a question: the share of the question's weight that it has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from harness.grading import normalise
from harness.memory.retrieval import words

_LEAST_TEXTS = 20
"""Fewer texts are taken for as many."""
_ASKING = ("tell", "name", "say", "give", "please")
"""Words of requests that no list of stop words has."""


class Relevance:
    """How much of a question is in each of some texts, by words.

    Every word of the question weighs as in BM25: the rarer among the texts, the more (its inverse
    document frequency). A word that is in none of them weighs most, as it speaks for a question
    about something else. Words by which any question is asked (who, which, tell, name) weigh
    nothing. So the share is 1 where a text has all the other words, and small where it has only
    those that many texts have. Shares of two questions can be compared, unlike scores of an index.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [frozenset(words(text)) for text in texts]
        counts = Counter(word for text in self._texts for word in text)
        self._idf = {word: self._weight(count) for word, count in counts.items()}

    def __call__(self, question: str, place: int) -> float:
        """The share, 0 to 1, that the text at ``place`` has of ``question``; 0 without words."""
        asked = _asked(question)
        unknown = self._weight(0)
        weights = {word: self._idf.get(word, unknown) for word in asked}
        total = sum(weights.values())
        has = sum(weight for word, weight in weights.items() if word in self._texts[place])
        return has / total if total else 0.0

    def _weight(self, count: int) -> float:
        # among few texts no word is rare: a question about the only one would seem foreign to it
        size = max(len(self._texts), _LEAST_TEXTS)
        return math.log(1 + (size - count + 0.5) / (count + 0.5))


@lru_cache(maxsize=4096)
def _asked(question: str) -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN_PLUS

    asking = {*STOPWORDS_EN_PLUS, *_ASKING}
    told = (word for word in normalise(question).split() if word not in asking)
    return frozenset(words(" ".join(told)))
