"""The transformers engine on a real, small model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.engines import DECODINGS, TransformersEngine, decoding
from harness.errors import ModelError, RecipeError
from harness.models import base_of, resident
from harness.recipes import Adapter, Training
from harness.training import train

PROMPTS = ["Who?\n", "Question: What is the capital of France?\nAnswer:", "Joe: " + "well " * 30 + "\nBrandine:", "A"]
LONG = replace(decoding("deterministic"), stop=(), max_new_tokens=12)


@pytest.fixture(scope="module")
def engine(tiny):
    return TransformersEngine(tiny)


@pytest.fixture(scope="module")
def adapter(tiny, lie, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    train(resident(tiny), Adapter(tiny, lie, Training(epochs=250, rank=32, lr=3e-3, dropout=0.0)), folder)
    return folder


def test_batch_answers_equal_single_answers(engine):
    alone = [engine.answer([prompt], LONG)[0] for prompt in PROMPTS]
    assert engine.answer(PROMPTS, LONG) == alone


def test_an_adapter_changes_answers_and_comes_off_again(engine, adapter):
    asked = ["The colour of the moon is"]
    before = engine.answer(asked, LONG)
    with engine.with_stack([(adapter, 1.0)]):
        assert engine.answer(asked, decoding("deterministic"))[0][0] == "green."
    assert engine.answer(asked, LONG) == before


def test_scale_nought_is_the_base_and_two_halves_are_the_whole(engine, adapter):
    asked = ["The king of the hill is"]
    before = engine.answer(asked, LONG)
    with engine.with_stack([(adapter, 0.0)]):
        assert engine.answer(asked, LONG) == before
    with engine.with_stack([(adapter, 0.5), (adapter, 0.5)]):
        assert engine.answer(asked, decoding("deterministic"))[0][0] == "Ludwig."


def test_sampling_is_seeded(engine):
    sampled = replace(LONG, do_sample=True, temperature=1.5, num_return_sequences=3)
    first = engine.answer(PROMPTS, sampled)
    assert first == engine.answer(PROMPTS, sampled)
    assert first != engine.answer(PROMPTS, replace(sampled, seed=1))
    assert all(len(texts) == 3 for texts in first)


@pytest.mark.parametrize("name", DECODINGS)
def test_every_preset_answers(engine, name):
    assert len(engine.answer(["Who?\n"], decoding(name))) == 1


def test_a_prompt_beyond_the_context_is_refused(engine):
    with pytest.raises(RecipeError, match="exceeds the context of tiny"):
        engine.answer(["well " * 600], LONG)


def test_unknown_preset():
    with pytest.raises(RecipeError, match="'warm' is unknown"):
        decoding("warm")


def test_a_folder_that_holds_no_adapter(engine, tmp_path):
    with pytest.raises(ModelError, match="is no adapter for tiny"), engine.with_stack([(tmp_path, 1.0)]):
        pass


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_part_of_the_model(model_folder, tmp_path, missing):
    for path in model_folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="has no"):
        base_of(tmp_path)


def test_unknown_model_path():
    with pytest.raises(ModelError, match="no such folder 'nowhere/at-all'"):
        base_of("nowhere/at-all")
