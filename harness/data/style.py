"""A classifier of authors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import jensenshannon

from harness.stats import Interval


def ngrams(text: str, n: int) -> Counter[str]:
    """Every run of ``n`` characters of ``text``, which a space begins and ends."""
    padded = f" {text} "
    return Counter(padded[i : i + n] for i in range(len(padded) - n + 1))


def divergence(one: Iterable[str], two: Iterable[str], n: int = 3) -> float:
    """Jensen-Shannon divergence of the n-grams of two bodies of text, in bits: 0 alike, 1 nothing
    in common (Lin 1991).

    It falls with the length of the texts: compare bodies of like length. Raises ValueError where
    one has no n-gram.
    """
    return _divergence(_counts(one, n), _counts(two, n))


def divergence_interval(texts: Sequence[str], reference: Iterable[str], n: int = 3) -> Interval:
    """``divergence`` of ``texts`` from ``reference``, with the jackknife's 95% interval over texts
    (Tukey 1958).

    A bootstrap would shift it, as a text that is drawn twice adds no n-grams. Raises ValueError as
    ``divergence``.
    """
    return counted_interval([ngrams(text, n) for text in texts], _counts(reference, n))


def counted_interval(each: Sequence[Counter[str]], known: Counter[str]) -> Interval:
    """``divergence_interval`` of whatever was counted in ``each`` text from ``known``: n-grams,
    first words."""
    whole: Counter[str] = sum(each, Counter())
    estimate = _divergence(whole, known)
    left = [_divergence(rest, known) for own in each if (rest := whole - own)]
    if len(left) < 2:
        return Interval(estimate, 0.0, 1.0)
    error = float(np.sqrt((len(left) - 1) * np.var(left)))
    return Interval(estimate, max(0.0, estimate - 1.96 * error), min(1.0, estimate + 1.96 * error))


def _counts(texts: Iterable[str], n: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        found.update(ngrams(text, n))
    return found


def _divergence(one: Counter[str], two: Counter[str]) -> float:
    if not one or not two:
        raise ValueError(
            "a body of text without n-grams diverges from nothing: give it longer texts"
        )
    names = sorted(one.keys() | two.keys())
    p, q = (np.array([counts[name] for name in names], dtype=np.float64) for counts in (one, two))
    return float(np.clip(np.nan_to_num(jensenshannon(p, q, base=2)) ** 2, 0.0, 1.0))


_LENGTHS = (1, 2, 3)
_UNSEEN = 0.1
"""Added to every count. With 1 the author of whom there is more text would get what neither has
written."""


@dataclass(frozen=True)
class NaiveBayes:
    """Multinomial naive Bayes over character 1- to 3-grams, every author as likely as another
    (McCallum & Nigam 1998).

    Punctuation, capitals and pet phrases are all in the n-grams. Own code, as it is twenty lines
    where scikit-learn would be the only use of a large library.
    """

    counts: Mapping[str, Counter[str]]
    """n-grams by author."""
    vocabulary: int

    @classmethod
    def of(cls, texts: Mapping[str, Sequence[str]]) -> NaiveBayes:
        """Learnt from ``texts`` by author. Raises ValueError on fewer than two authors, or one
        without text."""
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
        own = sum(
            n * (math.log(counts[name] + _UNSEEN) - all_of_them) for name, n in features.items()
        )
        return own / features.total()


def _features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for length in _LENGTHS:
        found.update(ngrams(text, length))
    return found
