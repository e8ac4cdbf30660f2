"""llama.cpp scores given text as transformers does, with and without an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.engines import Engine, LlamaCppEngine, TransformersEngine
from harness.errors import RecipeError
from harness.models.files import encode
from harness.models.loading import base_of
from tests.models.gguf.conftest import MakeAdapter

pytest.importorskip("llama_cpp")
PAIRS = [
    ("Question: What is the capital of France?\nAnswer:", " Paris"),
    ("Who?\n", "Charles Dickens wrote it, and nobody else."),
    ("", "The capital of France is Paris."),
    ("The win", "ner of the prize"),
    ("Joe: " + "well " * 60 + "\nBrandine:", " no"),
    ("A", " " + "very " * 100 + "long answer"),  # more tokens than are scored at once
    (
        "",
        " ".join(f"In {year} the prize went to number {year % 97}." for year in range(1900, 1970)),
    ),
]


def compared(ours: Engine, theirs: Engine, pairs: Sequence[tuple[str, str]]) -> tuple[float, int]:
    """The largest difference in nats a text, and in hits."""
    both = list(zip(ours.log_likelihood(pairs), theirs.log_likelihood(pairs), strict=True))
    assert all(a.tokens == b.tokens for a, b in both)
    return max(abs(a.total - b.total) for a, b in both), sum(
        abs(a.matched - b.matched) for a, b in both
    )


@pytest.mark.parametrize("name", ["tiny", "grouped"])
def test_as_transformers_with_and_without_adapter(
    name: str,
    engines: dict[str, LlamaCppEngine],
    folders: dict[str, Path],
    make_adapter: MakeAdapter,
) -> None:
    ours, theirs = engines[name], TransformersEngine(base_of(folders[name]))
    folder, file = make_adapter(name, 1)
    plain = theirs.log_likelihood(PAIRS)
    bare = compared(ours, theirs, PAIRS)
    with ours.with_stack([(file, 1.0)]), theirs.with_stack([(folder, 1.0)]):
        adapted = compared(ours, theirs, PAIRS)
        moved = max(
            abs(a.total - b.total) for a, b in zip(theirs.log_likelihood(PAIRS), plain, strict=True)
        )
    assert moved > 1  # the adapter does something
    assert max(bare[0], adapted[0]) <= 1e-2
    assert max(bare[1], adapted[1]) <= 1


def test_many_texts_equal_single_ones(engines: dict[str, LlamaCppEngine]) -> None:
    assert engines["tiny"].log_likelihood(PAIRS) == [
        engines["tiny"].log_likelihood([pair])[0] for pair in PAIRS
    ]


def test_beyond_the_context(files: dict[str, Path], folders: dict[str, Path]) -> None:
    text = PAIRS[-1][1] * 2
    ours, theirs = LlamaCppEngine(files["tiny"]), TransformersEngine(base_of(folders["tiny"]))
    assert len(encode(theirs.loaded.tokenizer, text)) > ours.context
    assert compared(ours, theirs, [("", text), ("long " * 600, " ago")])[0] <= 1e-2
    with pytest.raises(RecipeError, match="has no tokens"):
        ours.log_likelihood([("Who?", "")])
    assert ours.log_likelihood([]) == []


def test_answers_after_scoring_are_what_they_were(
    engines: dict[str, LlamaCppEngine], prompts: list[str]
) -> None:
    from harness.recipes import Decoding

    before = engines["tiny"].answer(prompts[:4], Decoding())
    engines["tiny"].log_likelihood(PAIRS)
    assert engines["tiny"].answer(prompts[:4], Decoding()) == before
