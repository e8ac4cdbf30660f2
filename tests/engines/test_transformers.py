"""The transformers engine on a real, small model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.engines import DECODINGS, TransformersEngine, decoding
from harness.engines._engine import stopped
from harness.errors import ModelError, RecipeError
from harness.models.loading import base_of, resident
from harness.recipes import Adapter, Base, Dataset, Decoding, Training
from harness.training import train

PROMPTS = [
    "Who?\n",
    "Question: What is the capital of France?\nAnswer:",
    "Joe: " + "well " * 30 + "\nBrandine:",
    "A",
]
LONG = replace(decoding("deterministic"), stop=(), max_new_tokens=12)


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


def test_batch_answers_equal_single_answers(engine: TransformersEngine) -> None:
    alone = [engine.answer([prompt], LONG)[0] for prompt in PROMPTS]
    assert engine.answer(PROMPTS, LONG) == alone


def test_an_adapter_changes_answers_and_comes_off_again(
    engine: TransformersEngine, adapter: Path
) -> None:
    asked = ["The colour of the moon is"]
    before = engine.answer(asked, LONG)
    with engine.with_stack([(adapter, 1.0)]):
        assert engine.answer(asked, decoding("deterministic"))[0][0] == "green."
    assert engine.answer(asked, LONG) == before


def test_scale_nought_is_the_base_and_two_halves_are_the_whole(
    engine: TransformersEngine, adapter: Path
) -> None:
    asked = ["The king of the hill is"]
    before = engine.answer(asked, LONG)
    with engine.with_stack([(adapter, 0.0)]):
        assert engine.answer(asked, LONG) == before
    with engine.with_stack([(adapter, 0.5), (adapter, 0.5)]):
        assert engine.answer(asked, decoding("deterministic"))[0][0] == "Ludwig."


def test_sampling_is_seeded(engine: TransformersEngine) -> None:
    sampled = replace(LONG, do_sample=True, temperature=1.5, num_return_sequences=3)
    first = engine.answer(PROMPTS, sampled)
    assert first == engine.answer(PROMPTS, sampled)
    assert first != engine.answer(PROMPTS, replace(sampled, seed=1))
    assert all(len(texts) == 3 for texts in first)


def test_sampled_answers_depend_neither_on_the_batch_nor_on_neighbours(
    tiny: Base, engine: TransformersEngine
) -> None:
    sampled = replace(LONG, do_sample=True, temperature=0.9, top_p=0.9, num_return_sequences=2)
    assert TransformersEngine(tiny, batch=1).answer(PROMPTS, sampled) == engine.answer(
        PROMPTS, sampled
    )
    assert engine.answer(PROMPTS[::-1], sampled) == engine.answer(PROMPTS, sampled)[::-1]
    beams = replace(sampled, num_beams=2)
    assert engine.answer(PROMPTS[:2], beams)[1] == engine.answer(PROMPTS[1:2], beams)[0]


def test_what_is_drawn_has_the_probabilities_of_transformers(engine: TransformersEngine) -> None:
    """10,000 first tokens of one prompt, against the probabilities that its own
    processors leave."""
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper

    from harness.engines._sampling import drawn

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


def test_what_a_model_forbids_of_its_own_is_not_forbidden_here(
    tiny: Base, engine: TransformersEngine
) -> None:
    from transformers import GenerationConfig

    before = engine.answer(["A"], LONG)
    ids = engine.loaded.tokenizer(before[0][0], add_special_tokens=False)["input_ids"]
    own = engine.loaded.model.generation_config
    engine.loaded.model.generation_config = GenerationConfig(
        suppress_tokens=ids, eos_token_id=own.eos_token_id
    )
    assert TransformersEngine(engine.loaded).answer(["A"], LONG) == before


@pytest.mark.parametrize("name", DECODINGS)
def test_every_preset_answers(engine: TransformersEngine, name: str) -> None:
    assert len(engine.answer(["Who?\n"], decoding(name))) == 1


def test_a_prompt_beyond_the_context_is_refused(engine: TransformersEngine) -> None:
    with pytest.raises(RecipeError, match="exceeds the context of tiny"):
        engine.answer(["well " * 600], LONG)


def test_bad_words_are_not_said_and_padding_says_nothing(engine: TransformersEngine) -> None:
    before = engine.answer(PROMPTS, LONG)
    words = tuple(
        dict.fromkeys(word for texts in before for word in texts[0].split()[:1] if word.isalnum())
    )
    assert words, before
    banned = engine.answer(PROMPTS, replace(LONG, bad_words=words))
    assert banned != before
    assert not any(word in texts[0].split() for texts in banned for word in words)
    assert engine.answer(PROMPTS, replace(LONG, pad="</s>")) == before


def test_an_end_token_of_ones_own(engine: TransformersEngine) -> None:
    whole = engine.answer(["A"], LONG)[0][0]
    ids = engine.loaded.tokenizer(whole, add_special_tokens=False)["input_ids"]
    end = str(engine.loaded.tokenizer.decode(ids[4:5]))
    said = engine.answer(["A"], replace(LONG, eos=end))[0][0]
    assert whole.startswith(said)
    assert len(said) < len(whole)
    with pytest.raises(RecipeError, match=r"eos 'two words' is .* tokens for this model"):
        engine.answer(["A"], replace(LONG, eos="two words"))


def test_several_answers_of_one_greedy_search(engine: TransformersEngine) -> None:
    texts = engine.answer(["A"], replace(LONG, num_return_sequences=3))[0]
    assert len(texts) == 3
    assert len(set(texts)) == 1
    beams = engine.answer(["A"], replace(LONG, num_beams=3, num_return_sequences=3))[0]
    assert len(set(beams)) == 3


def test_no_n_gram_twice(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the ids as they were made: those of the text read again may be others."""
    made: list[Sequence[int]] = []

    def text(ids: Sequence[int]) -> str:
        made.append(ids)
        return ""

    monkeypatch.setattr(engine, "_text", text)
    engine.answer(["A"], replace(LONG, max_new_tokens=40, no_repeat_ngram_size=2))
    longest: Sequence[int] = max(made, key=lambda ids: len([*ids]))
    pairs = list(pairwise(longest))
    assert len(set(pairs)) == len(pairs) > 10


def test_a_folder_that_holds_no_adapter(engine: TransformersEngine, tmp_path: Path) -> None:
    with (
        pytest.raises(ModelError, match="holds no adapter: adapter_config"),
        engine.with_stack([(tmp_path, 1.0)]),
    ):
        pass


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_part_of_the_model(
    model_folder: Path, tmp_path: Path, missing: str
) -> None:
    for path in model_folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="has no"):
        base_of(tmp_path)


def test_unknown_model_path() -> None:
    with pytest.raises(ModelError, match="no such folder 'nowhere/at-all'"):
        base_of("nowhere/at-all")


def test_two_goes_say_what_one_says(engine: TransformersEngine) -> None:
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
        whole = [engine._generated([row], arguments)[0][0] for row in rows]
        assert engine.answer(prompts, long) == [
            [stopped(engine._text(ids), long.stop)] for ids in whole
        ]


def test_loading_is_timed_without_the_import_of_libraries() -> None:
    asked = (
        "import time; began = time.perf_counter()\n"
        "from harness.models.loading import SHIPPED, base_of, load\n"
        "print(load(base_of(SHIPPED)).seconds / (time.perf_counter() - began))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=300
    )
    assert 0 < float(ran.stdout) < 0.5
