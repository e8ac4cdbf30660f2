"""An answer that comes token by token is the answer that comes whole."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines import (
    LlamaCppEngine,
    StreamingEngine,
    TransformersEngine,
    decoding,
)
from harness.engines._engine import stopped
from harness.engines._streaming import Growing
from harness.errors import RecipeError
from harness.models.gguf import convert_base
from harness.models.loading import SHIPPED, base_of
from harness.recipes import Decoding

PROMPTS = (
    "Question: Who won the Academy Award for Best Picture in 1994?\nAnswer:",
    "Joe: What is the capital of France?\nBrandine:",
    "Crème brûlée, 日本語 😀",
)
LONG = Decoding(max_new_tokens=40, stop=())
DECODINGS = {
    "greedy in two passes": LONG,
    "greedy in one pass": replace(LONG, max_new_tokens=7),
    "line": decoding("deterministic"),
    "stop strings": replace(LONG, stop=("the ", "\nQ")),
    "sampled": replace(LONG, do_sample=True, temperature=1.5, num_return_sequences=2, seed=3),
    "no repeats": replace(LONG, no_repeat_ngram_size=2, repetition_penalty=1.2),
}


@pytest.fixture(scope="module", params=["transformers", "llama.cpp"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> StreamingEngine:
    if request.param == "transformers":
        return TransformersEngine(base_of(SHIPPED))
    pytest.importorskip("llama_cpp")
    file = tmp_path_factory.mktemp("gguf") / "pocket.gguf"
    convert_base(SHIPPED, file)
    return LlamaCppEngine(file)


@pytest.mark.parametrize("name", DECODINGS)
def test_pieces_joined_are_the_answer(engine: StreamingEngine, name: str) -> None:
    several = 0
    for prompt in PROMPTS:
        pieces = list(engine.stream(prompt, DECODINGS[name]))
        assert "".join(pieces) == engine.answer([prompt], DECODINGS[name])[0][0]
        several += len(pieces) > 1
    assert several


def test_beams_come_in_one_piece() -> None:
    engine = TransformersEngine(base_of(SHIPPED))
    beams = replace(LONG, num_beams=3, max_new_tokens=8)
    assert list(engine.stream(PROMPTS[0], beams)) == engine.answer([PROMPTS[0]], beams)[0]


def test_a_closed_stream_computes_no_more_tokens() -> None:
    engine = TransformersEngine(base_of(SHIPPED))
    passes: list[int] = []
    hook = engine.loaded.model.register_forward_pre_hook(lambda *_: passes.append(1))
    with closing(engine.stream(PROMPTS[0], replace(LONG, max_new_tokens=300, eos="z"))) as stream:
        next(stream)
    computed = len(passes)
    hook.remove()
    assert computed < 100
    whole = engine.answer([PROMPTS[1]], LONG)[0][0]
    assert "".join(engine.stream(PROMPTS[1], LONG)) == whole


def test_a_prompt_that_is_too_long_is_one_line(engine: StreamingEngine) -> None:
    with pytest.raises(RecipeError, match="exceeds the context"):
        list(engine.stream("well " * 5000, LONG))


TEXTS = st.text(alphabet="ab \n<>/think\ufffd", max_size=40) | st.builds(
    "<think>{}</think>{}".format, st.text("a\n ", max_size=8), st.text("ab\n ", max_size=8)
)


@given(TEXTS, st.lists(st.sampled_from(["\n", "ab", "b\na", "a a"]), max_size=2), st.data())
def test_a_piece_is_never_taken_back(text: str, stops: list[str], data: st.DataObject) -> None:
    if text.count("</think>") > 1:
        return
    growing = Growing(stops)
    given = ""
    for end in sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5))):
        given += growing.piece(text[:end])
    assert given + growing.rest(text) == stopped(text, stops)
