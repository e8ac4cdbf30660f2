"""The llama.cpp engine on real models."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from harness.engines import Engine, TransformersEngine, decoding
from harness.engines._llamacpp import LlamaCppEngine
from harness.errors import ModelError, RecipeError
from harness.models.loading import base_of
from tests.models.gguf.conftest import MakeAdapter

pytest.importorskip("llama_cpp")
PROMPTS = [
    "Who?\n",
    "Question: What is the capital of France?\nAnswer:",
    "Joe: " + "well " * 30 + "\nBrandine:",
    "A",
]
LONG = replace(decoding("deterministic"), stop=(), max_new_tokens=12)


@pytest.mark.parametrize("name", ["pocket", "tiny"])
def test_batch_answers_equal_single_answers(
    name: str, engines: dict[str, LlamaCppEngine], prompts: list[str]
) -> None:
    asked = [*PROMPTS, *prompts[::2]]
    alone = [engines[name].answer([prompt], LONG)[0] for prompt in asked]
    assert engines[name].answer(asked, LONG) == alone
    assert engines[name].answer(asked[::-1], LONG) == alone[::-1]


def test_sampled_batch_answers_equal_single_answers(
    engines: dict[str, LlamaCppEngine], prompts: list[str]
) -> None:
    sampled = replace(LONG, do_sample=True, temperature=1.2, num_return_sequences=2)
    alone = [engines["pocket"].answer([prompt], sampled)[0] for prompt in prompts[:20]]
    assert engines["pocket"].answer(prompts[:20], sampled) == alone


def test_repetition_penalty_and_stops_are_those_of_transformers(
    engines: dict[str, LlamaCppEngine], folders: dict[str, Path], prompts: list[str]
) -> None:
    theirs = TransformersEngine(base_of(folders["pocket"]))
    for settings in (
        {"repetition_penalty": 1.3},
        {"stop": ("the", "\n")},
        {"stop": (), "repetition_penalty": 1.1},
    ):
        asked = replace(decoding("deterministic"), max_new_tokens=16, **settings)
        found, wanted = (
            engine.answer(prompts[::4], asked) for engine in (engines["pocket"], theirs)
        )
        assert np.mean([a == b for a, b in zip(found, wanted, strict=True)]) >= 0.95


@pytest.mark.parametrize("asked", ["1", "1,1", "", "many", "0", "999"])
def test_it_takes_no_more_threads_than_a_worker_is_given(
    asked: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    engine = LlamaCppEngine(files["tiny"])
    assert engine.threads == (1 if asked.startswith("1") else allowed)
    engine.close()


def test_sampling_is_seeded(engines: dict[str, LlamaCppEngine]) -> None:
    sampled = replace(LONG, do_sample=True, temperature=1.5, num_return_sequences=3)
    first = engines["pocket"].answer(PROMPTS, sampled)
    assert first == engines["pocket"].answer(PROMPTS, sampled)
    assert first != engines["pocket"].answer(PROMPTS, replace(sampled, seed=1))
    assert all(len(set(texts)) == 3 for texts in first)


@pytest.mark.parametrize(
    "settings",
    [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-4}],
    ids=lambda given: next(iter(given)),
)
def test_samplers_that_leave_one_token_are_greedy(
    settings: dict[str, Any], engines: dict[str, LlamaCppEngine], prompts: list[str]
) -> None:
    sampled = replace(LONG, do_sample=True, **settings)
    assert engines["pocket"].answer(prompts[:8], sampled) == engines["pocket"].answer(
        prompts[:8], LONG
    )


def test_sampled_tokens_have_the_model_s_frequencies(engines: dict[str, LlamaCppEngine]) -> None:
    asked = replace(
        LONG, do_sample=True, max_new_tokens=1, num_return_sequences=800, stop=(), top_k=3
    )
    said = engines["pocket"].answer(["The"], asked)[0]
    logs = engines["pocket"].log_probabilities(["The"])[0]
    best = np.argsort(-logs)[:3]
    shares = np.exp(logs[best]) / np.exp(logs[best]).sum()
    for token, share in zip(best, shares, strict=True):
        text = engines["pocket"]._model.piece(int(token)).decode().strip()
        assert abs(said.count(text) / 800 - share) < 4 * np.sqrt(share * (1 - share) / 800)


@pytest.mark.parametrize("name", ["coco2023", "default", "llama_precise", "novelai_storywriter"])
def test_presets_answer(name: str, engines: dict[str, LlamaCppEngine]) -> None:
    assert len(engines["pocket"].answer(["Who?\n"], replace(decoding(name), typical_p=0.9))) == 1


def test_bans_and_ends_are_those_of_transformers(
    engines: dict[str, LlamaCppEngine], folders: dict[str, Path], prompts: list[str]
) -> None:
    theirs, asked = TransformersEngine(base_of(folders["pocket"])), prompts[::4]
    free = replace(LONG, max_new_tokens=16)
    plain = engines["pocket"].answer(asked, free)
    words = tuple(dict.fromkeys(texts[0].split()[0] for texts in plain if texts[0]))[:8]
    for settings in (
        {"bad_words": words},
        {"no_repeat_ngram_size": 2},
        {"eos": "\n", "pad": "</s>"},
    ):
        found, wanted = (
            e.answer(asked, replace(free, **settings)) for e in (engines["pocket"], theirs)
        )
        assert np.mean([a == b for a, b in zip(found, wanted, strict=True)]) >= 0.95
        assert found != plain


def test_what_llama_cpp_cannot(engines: dict[str, LlamaCppEngine]) -> None:
    with pytest.raises(
        RecipeError, match="num_beams is 2: the gguf engine cannot do that, set it to 1"
    ):
        engines["pocket"].answer(["Who?"], replace(LONG, num_beams=2))


def test_contexts(engines: dict[str, LlamaCppEngine], files: dict[str, Path]) -> None:
    with pytest.raises(
        RecipeError, match=r"exceeds the context of pocket\.gguf \(1024 tokens\): shorten it"
    ):
        engines["pocket"].answer(["well " * 1100], LONG)
    with pytest.raises(
        ModelError, match=r"context is 4096: pocket\.gguf takes at most 1024 tokens"
    ):
        LlamaCppEngine(files["pocket"], context=4096)
    short = LlamaCppEngine(files["pocket"], context=32)
    with pytest.raises(RecipeError, match="exceeds the context"):
        short.answer(["well " * 25], LONG)
    assert short.answer(["well " * 15], LONG) == engines["pocket"].answer(["well " * 15], LONG)
    assert engines["pocket"].answer([], LONG) == []


def test_a_swap_costs_little_beside_a_reload(
    engines: dict[str, LlamaCppEngine], files: dict[str, Path], make_adapter: MakeAdapter
) -> None:
    engine = engines["pocket"]
    adapters = [make_adapter("pocket", seed)[1] for seed in (1, 2)]

    def reload() -> float:
        began = time.perf_counter()
        LlamaCppEngine(files["pocket"]).close()
        return time.perf_counter() - began

    def swap(i: int) -> float:
        began = time.perf_counter()
        with engine.with_stack([(adapters[i % 2], 1.0)]):
            return time.perf_counter() - began

    swap(0), swap(1)
    swapped, reloaded = median(swap(i) for i in range(40)), median(reload() for _ in range(5))
    assert swapped < 0.05 * reloaded


def test_it_is_about_as_quick_as_transformers(
    engines: dict[str, LlamaCppEngine], folders: dict[str, Path], prompts: list[str]
) -> None:
    """Within a factor of four, by the quickest of three turns each: machines differ, but an engine
    that loads its model again or answers token by token would be beyond it."""
    asked = replace(LONG, max_new_tokens=24)
    ours, theirs = engines["pocket"], TransformersEngine(base_of(folders["pocket"]))

    def seconds(engine: Engine) -> float:
        began = time.perf_counter()
        engine.answer(prompts[::6], asked)
        return time.perf_counter() - began

    pairs = [(seconds(ours), seconds(theirs)) for _ in range(3)]
    assert min(pair[0] for pair in pairs) < 4 * min(pair[1] for pair in pairs)


def test_a_closed_engine(files: dict[str, Path]) -> None:
    engine = LlamaCppEngine(files["tiny"])
    engine.close()
    engine.close()
    for use in (lambda: engine.answer(["Who?"], LONG), lambda: engine.with_stack([]).__enter__()):
        with pytest.raises(ModelError, match=r"tiny\.gguf was closed"):
            use()
