"""Retrieval: which passages a question is about, by words, by meaning, or by both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from harness.errors import RecipeError
from harness.grading import normalise
from harness.models.embeddings import MINILM, Vectors, encoder

RETRIEVALS = ("bm25", "embeddings", "fused")
_DEPTH = 50
"""Hits of each index that are fused, at least."""
_CJK = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_SCRIPTS = re.compile(rf"{_CJK}+|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


class Hit(NamedTuple):
    """A text that was found."""

    place: int
    """Index among the texts of the index."""
    score: float
    """Larger is better; comparable only within one search."""


class Index(Protocol):
    """Texts that can be searched."""

    def search(self, query: str, count: int) -> list[Hit]:
        """At most ``count`` texts, the best first; equal scores in the order of the texts."""
        ...


def index_of(how: str, texts: Sequence[str], model: str = MINILM) -> Index:
    """The index of ``texts`` by its name, one of ``RETRIEVALS``; ``model`` is of embeddings.

    Raises:
        RecipeError: the name is unknown.
        MissingExtraError, ModelError: as ``Embeddings``.
    """
    if how == "bm25":
        return Bm25(texts)
    if how == "embeddings":
        return Embeddings(texts, model)
    if how == "fused":
        return Fused((Bm25(texts), Embeddings(texts, model)))
    raise RecipeError(f"retrieval {how!r} is unknown: choose one of {', '.join(RETRIEVALS)}")


class Bm25:
    """Finds texts by the words that they share with the query (BM25; Lucene's variant).

    Words are compared by their stems, without accents and case; Chinese, Japanese and Korean by
    pairs of characters. A text that shares no word is not found.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from bm25s import BM25  # takes 0.2 s

        self._size = len(texts)
        stems = [words(text) for text in texts]
        self._index = BM25() if any(stems) else None
        if self._index:
            self._index.index(stems, show_progress=False)

    def search(self, query: str, count: int) -> list[Hit]:
        """See ``Index``."""
        known = [word for word in dict.fromkeys(words(query)) if self._knows(word)]
        if not known or self._index is None:
            return []
        return _best(self._index.get_scores(known), count, above=0.0)

    def _knows(self, word: str) -> bool:
        return self._index is not None and word in self._index.vocab_dict


class Embeddings:
    """Finds texts that mean something like the query, by the cosine of sentence embeddings."""

    def __init__(
        self, texts: Sequence[str], model: str = MINILM, vectors: Vectors | None = None
    ) -> None:
        """``vectors``: those of ``texts``, where they are known: texts x dimensions, of length 1.

        ``model``: a folder or hub id for sentence-transformers. No code of a model is run, and
        weights are read from safetensors only.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ModelError: the model cannot be loaded.
        """
        self._encode = encoder(model)
        self.vectors = self._encode(texts) if vectors is None else vectors

    def search(self, query: str, count: int) -> list[Hit]:
        """See ``Index``."""
        if not len(self.vectors) or not query.strip():
            return []
        return _best(self.vectors @ self._encode([query])[0], count)


class Fused:
    """Several indices as one, by reciprocal ranks (Cormack et al. 2009): sum of 1 / (60 + rank)."""

    def __init__(self, indices: Sequence[Index]) -> None:
        self.indices = tuple(indices)

    def search(self, query: str, count: int) -> list[Hit]:
        """See ``Index``."""
        scores: dict[int, float] = {}
        for index in self.indices:
            for rank, hit in enumerate(index.search(query, max(count, _DEPTH)), 1):
                scores[hit.place] = scores.get(hit.place, 0.0) + 1 / (60 + rank)
        ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        return [Hit(place, score) for place, score in ordered[:count]]


def _best(scores: npt.NDArray[Any], count: int, above: float = -np.inf) -> list[Hit]:
    order = np.argsort(-scores, kind="stable")[: max(count, 0)]
    return [Hit(int(place), float(scores[place])) for place in order if scores[place] > above]


def words(text: str) -> list[str]:
    """The stems of ``text``'s words without stop words, as often as they stand there."""
    from bm25s.stopwords import STOPWORDS_EN

    found: list[str] = []
    for run in _SCRIPTS.findall(normalise(text)):
        if re.match(_CJK, run):
            found += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
        elif run not in STOPWORDS_EN:
            found.append(run)
    stems: list[str] = _stemmer().stemWords(found)
    return stems


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from Stemmer import Stemmer

    return Stemmer("english")
