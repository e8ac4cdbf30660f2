"""The server engine against llama-cpp-python's own server, which serves the shipped model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cli import main
from harness.data.facts import World
from harness.engines import LlamaCppEngine, decoding
from harness.engines._openai import ServedEngine
from harness.errors import ModelError
from harness.pocket._card import cases

GREEDY = decoding("deterministic")
LONG = replace(GREEDY, stop=(), max_new_tokens=12)


@pytest.fixture(scope="module")
def engine(real_url):
    return ServedEngine(f"openai:pocket@{real_url}", timeout=60)


@pytest.fixture(scope="module")
def local(gguf_file):
    return LlamaCppEngine(gguf_file, threads=1)


@pytest.fixture(scope="module")
def prompts():
    """Questions of every ability."""
    found = [prompt for asked in cases(World(), 8, seed=3).values() for prompt, _ in asked]
    return found[:: len(found) // 60]


def test_greedy_answers_are_those_of_llama_cpp(engine, local, prompts):
    """Prompts begin with BOS on both sides: the server adds it where the file says so, as the
    engine does."""
    assert len(prompts) >= 60
    for asked in (GREEDY, replace(LONG, repetition_penalty=1.0)):
        found, wanted = engine.answer(prompts, asked), local.answer(prompts, asked)
        share = sum(a == b for a, b in zip(found, wanted, strict=True)) / len(prompts)
        print(f"\n{share:.2%} of {len(prompts)} answers are equal")
        assert share >= 0.98


def test_stop_strings(engine, local, prompts):
    asked = replace(LONG, stop=("the", "e", "\n", "a", "."))
    assert engine.answer(prompts[:8], asked) == local.answer(prompts[:8], asked)


def test_samples_are_as_many_as_asked_for_and_seeded(engine, prompts):
    asked = replace(LONG, do_sample=True, temperature=3.0, num_return_sequences=3)
    first = engine.answer(prompts[:8], asked)
    assert all(len(set(texts)) == 3 for texts in first)

    def same(found):
        return sum(
            a == b
            for ours, theirs in zip(first, found, strict=True)
            for a, b in zip(ours, theirs, strict=True)
        )

    # the server goes on from what the prompt before had in common, in other batches: rounding moves
    # one text of 200
    assert same(engine.answer(prompts[7::-1], asked)[::-1]) >= 22
    assert same(engine.answer(prompts[:8], replace(asked, seed=1))) <= 2


def test_greedy_samples_are_copies(engine, prompts):
    assert engine.answer(prompts[:1], replace(LONG, num_return_sequences=2)) == [
        engine.answer(prompts[:1], LONG)[0] * 2
    ]


@pytest.mark.parametrize(
    "settings", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}], ids=lambda given: next(iter(given))
)
def test_samplers_that_leave_one_token_are_greedy(settings, engine, prompts):
    sampled = replace(LONG, do_sample=True, **settings)
    assert engine.answer(prompts[:4], sampled) == engine.answer(prompts[:4], LONG)


def test_the_chat_endpoint_answers(real_url):
    said = ServedEngine(f"openai-chat:pocket@{real_url}").answer(["Who?", "What?"], LONG)
    assert [len(texts) for texts in said] == [1, 1]


def test_tokens_are_counted_without_bos(engine, local, prompts):
    assert engine.count(prompts[:6]) == local.count(prompts[:6])


def test_a_prompt_beyond_the_context_is_refused_in_one_line(engine):
    with pytest.raises(
        ModelError, match=r"answered 400 \(This model's maximum context length is 1024 tokens"
    ) as raised:
        engine.answer(["well " * 1100], LONG)
    assert "\n" not in str(raised.value)


def test_adapters_are_not_offered(engine):
    with (
        pytest.raises(ModelError, match=r"has no adapter 'oscars' \(its models are pocket\)"),
        engine.with_stack([("oscars", 1.0)]),
    ):
        pass


def test_the_command_line_asks_servers_and_gguf_files(real_url, gguf_file, capsys):
    """The same model in llama.cpp, behind a server and without one."""
    asked = ["--format", "qa", "What is the capital of France?", "Who wrote Dracula?"]
    said = []
    for model in (f"openai:pocket@{real_url}", str(gguf_file)):
        assert main(["answer", "--model", model, *asked]) == 0
        said.append(capsys.readouterr().out.splitlines())
    assert said[0] == said[1]
    assert said[0][0] == "Paris"
