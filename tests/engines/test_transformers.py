"""The transformers engine on a real, small model."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from harness.engines import DECODINGS, TransformersEngine, decoding
from harness.engines._engine import stopped
from harness.errors import ModelError, RecipeError
from harness.models.loading import base_of, resident
from harness.recipes import Adapter, Decoding, Training
from harness.training import train

PROMPTS = [
    "Who?\n",
    "Question: What is the capital of France?\nAnswer:",
    "Joe: " + "well " * 30 + "\nBrandine:",
    "A",
]
LONG = replace(decoding("deterministic"), stop=(), max_new_tokens=12)


@pytest.fixture(scope="module")
def engine(tiny):
    return TransformersEngine(tiny)


@pytest.fixture(scope="module")
def adapter(tiny, lie, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    train(
        resident(tiny),
        Adapter(tiny, lie, Training(epochs=250, rank=32, lr=3e-3, dropout=0.0)),
        folder,
    )
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


def test_sampled_answers_depend_neither_on_the_batch_nor_on_neighbours(tiny, engine):
    sampled = replace(LONG, do_sample=True, temperature=0.9, top_p=0.9, num_return_sequences=2)
    assert TransformersEngine(tiny, batch=1).answer(PROMPTS, sampled) == engine.answer(
        PROMPTS, sampled
    )
    assert engine.answer(PROMPTS[::-1], sampled) == engine.answer(PROMPTS, sampled)[::-1]
    beams = replace(sampled, num_beams=2)
    assert engine.answer(PROMPTS[:2], beams)[1] == engine.answer(PROMPTS[1:2], beams)[0]


def test_what_is_drawn_has_the_probabilities_of_transformers(engine):
    """10,000 first tokens of one prompt, against the probabilities that its own
    processors leave."""
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper

    from harness.engines._decoding import drawn

    ids = torch.tensor([engine.loaded.tokenizer("Who?\n")["input_ids"]])
    with torch.inference_mode():
        scores = engine.loaded.model(ids).logits[:, -1].float()
    expected = TopKLogitsWarper(5)(ids, TemperatureLogitsWarper(0.3)(ids, scores)).softmax(-1)[0]
    count = 10_000
    chosen = scores.expand(count, -1)
    for step in drawn(Decoding(do_sample=True, temperature=0.3, top_k=5), range(count)):
        chosen = step(ids.expand(count, -1), chosen)
    found = chosen.argmax(-1).bincount(minlength=len(expected)) / count
    assert (found - expected).abs().max() < 0.02
    assert set(found.nonzero().flatten().tolist()) <= set(expected.nonzero().flatten().tolist())


def test_what_a_model_forbids_of_its_own_is_not_forbidden_here(tiny, engine):
    from transformers import GenerationConfig

    before = engine.answer(["A"], LONG)
    ids = engine.loaded.tokenizer(before[0][0], add_special_tokens=False)["input_ids"]
    own = engine.loaded.model.generation_config
    engine.loaded.model.generation_config = GenerationConfig(
        suppress_tokens=ids, eos_token_id=own.eos_token_id
    )
    assert TransformersEngine(engine.loaded).answer(["A"], LONG) == before


@pytest.mark.parametrize("name", DECODINGS)
def test_every_preset_answers(engine, name):
    assert len(engine.answer(["Who?\n"], decoding(name))) == 1


def test_a_prompt_beyond_the_context_is_refused(engine):
    with pytest.raises(RecipeError, match="exceeds the context of tiny"):
        engine.answer(["well " * 600], LONG)


def test_bad_words_are_not_said_and_padding_says_nothing(engine):
    before = engine.answer(PROMPTS, LONG)
    words = tuple(
        dict.fromkeys(word for texts in before for word in texts[0].split()[:1] if word.isalnum())
    )
    assert words, before
    banned = engine.answer(PROMPTS, replace(LONG, bad_words=words))
    assert banned != before
    assert not any(word in texts[0].split() for texts in banned for word in words)
    assert engine.answer(PROMPTS, replace(LONG, pad="</s>")) == before


def test_an_end_token_of_ones_own(engine):
    whole = engine.answer(["A"], LONG)[0][0]
    ids = engine.loaded.tokenizer(whole, add_special_tokens=False)["input_ids"]
    end = engine.loaded.tokenizer.decode(ids[4:5])
    said = engine.answer(["A"], replace(LONG, eos=end))[0][0]
    assert whole.startswith(said)
    assert len(said) < len(whole)
    with pytest.raises(RecipeError, match=r"eos 'two words' is .* tokens for this model"):
        engine.answer(["A"], replace(LONG, eos="two words"))


def test_several_answers_of_one_greedy_search(engine):
    texts = engine.answer(["A"], replace(LONG, num_return_sequences=3))[0]
    assert len(texts) == 3
    assert len(set(texts)) == 1
    beams = engine.answer(["A"], replace(LONG, num_beams=3, num_return_sequences=3))[0]
    assert len(set(beams)) == 3


def test_no_n_gram_twice(engine, monkeypatch):
    """Of the ids as they were made: those of the text read again may be others."""
    made = []
    monkeypatch.setattr(engine, "_text", lambda ids: made.append(ids) or "")
    engine.answer(["A"], replace(LONG, max_new_tokens=40, no_repeat_ngram_size=2))
    pairs = list(pairwise(max(made, key=len)))
    assert len(set(pairs)) == len(pairs) > 10


def test_a_folder_that_holds_no_adapter(engine, tmp_path):
    with (
        pytest.raises(ModelError, match="holds no adapter: adapter_config"),
        engine.with_stack([(tmp_path, 1.0)]),
    ):
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


def test_two_goes_say_what_one_says(engine):
    """Answers that end at once, and some that go on for long, with what looks back on all that was
    said."""
    prompts = [*PROMPTS, "One, two, three,", "Joe: Hello.\nBrandine:", "Tell me a long story.\n"]
    for changed in (
        {},
        {"repetition_penalty": 1.3},
        {"no_repeat_ngram_size": 3},
        {"stop": ()},
        {"stop": (" the",)},
    ):
        long = Decoding(max_new_tokens=40, **changed)
        arguments = engine._arguments(long)
        rows = [engine._prompt(prompt, long) for prompt in prompts]
        whole = [engine._generated([row], arguments, 0)[0][0] for row in rows]
        assert engine.answer(prompts, long) == [
            [stopped(engine._text(ids), long.stop)] for ids in whole
        ]


def test_loading_is_timed_without_the_import_of_libraries():
    asked = (
        "import time; began = time.perf_counter()\n"
        "from harness.models.loading import SHIPPED, base_of, load\n"
        "print(load(base_of(SHIPPED)).seconds / (time.perf_counter() - began))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=300
    )
    assert 0 < float(ran.stdout) < 0.5
