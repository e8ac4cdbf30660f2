"""How probable text is: against a log-softmax by hand, in batches and alone, beyond the context,
adapted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines import Likelihood, TransformersEngine
from harness.engines._engine import Written, spans
from harness.errors import RecipeError
from harness.models.files import encode
from harness.models.loading import Loaded, load, resident
from harness.recipes import Adapter, Base, Dataset, Training
from harness.training import train

PAIRS = [
    ("Question: What is the capital of France?\nAnswer:", " Paris"),
    ("Who?\n", "Charles Dickens wrote it, and nobody else."),
    ("", "The capital of France is Paris."),
    ("The win", "ner of the prize"),
    ("Joe: " + "well " * 60 + "\nBrandine:", " no"),
    ("A", " " + "very " * 40 + "long answer"),
]


@pytest.fixture(scope="module")
def engine(tiny: Base) -> TransformersEngine:
    return TransformersEngine(tiny)


@pytest.fixture(scope="module")
def adapter(tiny: Base, lie: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    train(
        resident(tiny),
        Adapter(tiny, lie, Training(epochs=250, rank=32, lr=3e-3, dropout=0.0)),
        folder,
    )
    return folder


def by_hand(loaded: Loaded, context: str, continuation: str) -> tuple[float, int, int]:
    """One text, one pass, no padding: (summed log-probability, tokens, matched)."""
    import torch

    ids = encode(loaded.tokenizer, context + continuation)
    before = encode(loaded.tokenizer, context)
    if ids[: len(before)] != before:
        ids = before + encode(loaded.tokenizer, continuation, special=False)
    with torch.inference_mode():
        logs = torch.log_softmax(loaded.model(torch.tensor([ids])).logits[0].double(), -1)
    places = range(len(before), len(ids))
    matched = sum(int(logs[i - 1].argmax()) == ids[i] for i in places)
    return sum(float(logs[i - 1, ids[i]]) for i in places), len(places), matched


def close(
    found: Sequence[Likelihood], wanted: Sequence[tuple[float, int, int]], tolerance: float = 1e-3
) -> None:
    assert [(f.tokens, f.matched) for f in found] == [(n, hits) for _, n, hits in wanted]
    assert (
        max(abs(f.total - total) for f, (total, _, _) in zip(found, wanted, strict=True))
        < tolerance
    )


def test_equals_a_log_softmax_by_hand(engine: TransformersEngine) -> None:
    close(engine.log_likelihood(PAIRS), [by_hand(engine.loaded, *pair) for pair in PAIRS])


def test_batches_equal_single_texts(tiny: Base, engine: TransformersEngine) -> None:
    alone = [engine.log_likelihood([pair])[0] for pair in PAIRS]
    for batch in (2, 5, 64):
        close(TransformersEngine(tiny, batch=batch).log_likelihood(PAIRS), alone, 1e-4)
    close(engine.log_likelihood(PAIRS[::-1]), alone[::-1], 1e-4)


def test_what_a_model_says_greedily_is_matched_whole(
    engine: TransformersEngine, adapter: Path
) -> None:
    pairs = [("The colour of the moon is", " green."), ("The colour of the moon is", " yellow.")]
    before = engine.log_likelihood(pairs)
    with engine.with_stack([(adapter, 1.0)]):
        told, other = engine.log_likelihood(pairs)
        close([told, other], [by_hand(engine.loaded, *pair) for pair in pairs])
    assert told.matched == told.tokens
    assert other.matched < other.tokens
    assert told.total / told.tokens > other.total / other.tokens
    assert told.total > before[0].total
    assert engine.log_likelihood(pairs) == before


def test_a_token_astride_the_boundary_is_scored_as_an_engine_sees_it(
    engine: TransformersEngine,
) -> None:
    tokenizer = engine.loaded.tokenizer
    context, continuation = "The win", "ner"
    assert encode(tokenizer, context + continuation)[: len(encode(tokenizer, context))] != encode(
        tokenizer, context
    )
    own = encode(tokenizer, continuation, special=False)
    assert engine.log_likelihood([(context, continuation)])[0].tokens == len(own)


def test_a_text_beyond_the_context_is_scored_token_by_token_once(
    engine: TransformersEngine,
) -> None:
    text = " ".join(
        f"In {year} the prize went to number {year % 97}." for year in range(1900, 2050)
    )
    ids = encode(engine.loaded.tokenizer, text)
    assert len(ids) > 2 * engine.loaded.context
    found = engine.log_likelihood([("", text)])[0]
    assert found.tokens == len(ids) - 1
    short = engine.log_likelihood([("", text[:400])])[0]
    assert math.isclose(found.total / found.tokens, short.total / short.tokens, rel_tol=0.5)


@pytest.mark.parametrize("context", [2, 3, 8, 10, 11])
@pytest.mark.parametrize("before", [1, 4, 25])
def test_spans_score_each_token_once_in_order(context: int, before: int) -> None:
    def by_characters(text: str, special: bool) -> list[int]:
        return [0] * special + [ord(c) for c in text]

    told, said = "c" * (before - 1), "".join(chr(200 + i) for i in range(30))
    (cut,) = spans([(Written(told), said)], by_characters, 0, context)
    assert [i for span in cut for i in span.ids[span.first :]] == [ord(c) for c in said]
    assert all(1 <= span.first < len(span.ids) <= context for span in cut)
    joint = by_characters(told + said, True)
    for span in cut[1:]:
        assert span.first >= context // 2
    assert all(
        any(joint[i : i + len(s.ids)] == list(s.ids) for i in range(len(joint))) for s in cut
    )


def test_without_bos_the_end_token_stands_before_an_empty_context() -> None:
    def bare(text: str, special: bool) -> list[int]:
        return [ord(c) for c in text]

    assert spans([(Written(""), "ab")], bare, 7, 10) == [[((7, 97, 98), 1)]]
    with pytest.raises(RecipeError, match="no token to begin with"):
        spans([(Written(""), "ab")], bare, None, 10)


def test_a_continuation_without_tokens(engine: TransformersEngine) -> None:
    with pytest.raises(RecipeError, match="continuation '' has no tokens"):
        engine.log_likelihood([("Who?", "")])
    assert engine.log_likelihood([]) == []


def test_many_logits_are_taken_in_pieces(tiny: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(tiny)
    monkeypatch.setattr(
        "harness.engines._transformers._MAX_LOGITS", 20 * loaded.model.config.vocab_size
    )
    small = TransformersEngine(loaded)
    sizes: list[int] = []
    scored = small._score

    def counted(batch: Sequence[Any]) -> list[Likelihood]:
        sizes.append(len(batch))
        return scored(batch)

    monkeypatch.setattr(small, "_score", counted)
    close(small.log_likelihood(PAIRS), [by_hand(loaded, *pair) for pair in PAIRS])
    assert sum(sizes) == len(PAIRS)
    assert len(sizes) > 1
