"""Style of texts: divergence of their n-grams, and a classifier of authors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats import Interval


def ngrams(text: str, n: int) -> Counter[str]:
    """Counts of every ``n`` successive characters of ``text``, with a space put around it."""
    padded = f" {text} "
    return Counter(padded[i : i + n] for i in range(len(padded) - n + 1))


def divergence(one: Iterable[str], two: Iterable[str], n: int = 3) -> float:
    """Jensen-Shannon divergence of the n-grams of two bodies of text (Lin 1991), in bits.

    0 means equal shares of all n-grams, 1 means no n-gram in common. Longer texts have a smaller
    divergence, so compare bodies of similar length.

    Raises:
        ValueError: one of the two has no n-gram.
    """
    return _divergence(_counts(one, n), _counts(two, n))


def divergence_interval(texts: Sequence[str], reference: Iterable[str], n: int = 3) -> Interval:
    """``divergence`` of ``texts`` from ``reference``, with a 95% jackknife interval over texts.

    (Tukey 1958.) A bootstrap would be biased, because a text that is drawn twice adds no n-grams.

    Raises:
        ValueError: as ``divergence``.
    """
    return counted_interval([ngrams(text, n) for text in texts], _counts(reference, n))


def counted_interval(counts: Sequence[Counter[str]], reference: Counter[str]) -> Interval:
    """``divergence_interval`` of any counts, such as those of first words.

    ``counts`` has one counter for each text.
    """
    total: Counter[str] = sum(counts, Counter())
    estimate = _divergence(total, reference)
    without_one = [_divergence(rest, reference) for text in counts if (rest := total - text)]
    if len(without_one) < 2:
        return Interval(estimate, 0.0, 1.0)
    # The jackknife's variance is (n - 1) / n times the sum of squares, which np.var divides by n.
    error = float(np.sqrt((len(without_one) - 1) * np.var(without_one)))
    return Interval(estimate, max(0.0, estimate - 1.96 * error), min(1.0, estimate + 1.96 * error))


def _counts(texts: Iterable[str], n: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(ngrams(text, n))
    return counts


def _divergence(counts: Counter[str], other: Counter[str]) -> float:
    from scipy.spatial.distance import jensenshannon  # 0.3 s, for suites of style

    if not counts or not other:
        raise ValueError("a body of text without n-grams has no divergence: give it longer texts")
    names = sorted(counts.keys() | other.keys())
    p = np.array([counts[name] for name in names], dtype=np.float64)
    q = np.array([other[name] for name in names], dtype=np.float64)
    # Rounding makes nan of a tiny negative divergence.
    return float(np.clip(np.nan_to_num(jensenshannon(p, q, base=2)) ** 2, 0.0, 1.0))


_LENGTHS = (1, 2, 3)
_SMOOTHING = 0.1
"""Added to every count. With 1, unseen n-grams would favour the author with more text."""


@dataclass(frozen=True)
class NaiveBayes:
    """Multinomial naive Bayes over character 1- to 3-grams (McCallum & Nigam 1998).

    All authors have the same prior. The n-grams hold punctuation, capitals and typical phrases.
    Written here, because its twenty lines would be the only use of scikit-learn.
    """

    counts: Mapping[str, Counter[str]]
    """Counts of n-grams, by author."""
    vocabulary: int
    """Number of different n-grams of all authors."""

    @classmethod
    def of(cls, texts: Mapping[str, Sequence[str]]) -> NaiveBayes:
        """A classifier trained on ``texts`` by author.

        Raises:
            ValueError: there are fewer than two authors, or one has no text.
        """
        if len(texts) < 2 or not all(any(lines) for lines in texts.values()):
            raise ValueError(f"authors {', '.join(texts) or 'none'}: need two, each with some text")
        counts = {author: _features("\n".join(lines)) for author, lines in texts.items()}
        return cls(counts, len(set().union(*counts.values())))

    def scores(self, text: str) -> dict[str, float]:
        """Log-probability of ``text`` by author, in nats per n-gram, with Lidstone smoothing."""
        features = _features(text)
        return {author: self._score(features, counts) for author, counts in self.counts.items()}

    def author(self, text: str) -> str:
        """The most probable author of ``text``; of equally probable ones the first."""
        scores = self.scores(text)
        return max(scores, key=scores.__getitem__)

    def _score(self, features: Counter[str], counts: Counter[str]) -> float:
        # One more than the vocabulary, for n-grams that no author has.
        total = math.log(counts.total() + _SMOOTHING * (self.vocabulary + 1))
        score = sum(
            n * (math.log(counts[name] + _SMOOTHING) - total) for name, n in features.items()
        )
        return score / features.total()


def _features(text: str) -> Counter[str]:
    features: Counter[str] = Counter()
    for length in _LENGTHS:
        features.update(ngrams(text, length))
    return features
