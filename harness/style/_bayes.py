"""A classifier of authors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.style._ngrams import ngrams

_LENGTHS = (1, 2, 3)
_UNSEEN = 0.1
"""Added to every count. With 1 the author of whom there is more text would get what neither has written."""


@dataclass(frozen=True)
class NaiveBayes:
    """Multinomial naive Bayes over character 1- to 3-grams, every author as likely as another (McCallum & Nigam 1998).

    Punctuation, capitals and pet phrases are all in the n-grams. Own code, as it is twenty lines where scikit-learn
    would be the only use of a large library.
    """

    counts: Mapping[str, Counter[str]]
    """n-grams by author."""
    vocabulary: int

    @classmethod
    def of(cls, texts: Mapping[str, Sequence[str]]) -> NaiveBayes:
        """Learnt from ``texts`` by author. Raises ValueError on fewer than two authors, or one without text."""
        if len(texts) < 2 or not all(any(each) for each in texts.values()):
            raise ValueError(f"authors {', '.join(texts) or 'none'}: need two, each with some text")
        counts = {author: _features("\n".join(each)) for author, each in texts.items()}
        return cls(counts, len(set().union(*counts.values())))

    def scores(self, text: str) -> dict[str, float]:
        """Log-probability of ``text`` by author, in nats an n-gram, with Lidstone's smoothing."""
        features = _features(text)
        return {author: self._score(features, counts) for author, counts in self.counts.items()}

    def author(self, text: str) -> str:
        """Whose ``text`` most probably is; of equally probable ones the first."""
        scores = self.scores(text)
        return max(scores, key=scores.__getitem__)

    def _score(self, features: Counter[str], counts: Counter[str]) -> float:
        all_of_them = math.log(counts.total() + _UNSEEN * (self.vocabulary + 1))
        own = sum(n * (math.log(counts[name] + _UNSEEN) - all_of_them) for name, n in features.items())
        return own / features.total()


def _features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for length in _LENGTHS:
        found.update(ngrams(text, length))
    return found
