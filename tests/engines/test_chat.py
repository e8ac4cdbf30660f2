"""Prompts as turns of a chat, in every engine, and starts that prompts share."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from harness.engines import Engine, LlamaCppEngine, TransformersEngine
from harness.engines._engine import has_stopped, stopped
from harness.engines._shared_start import shared_start, shares_starts
from harness.errors import RecipeError
from harness.models.gguf import convert_base
from harness.models.loading import SHIPPED, base_of
from harness.recipes import BARE, Base, Chat, ChatPrompt, Decoding

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}Question: {{ m['content'] }}\nAnswer:"
    "{% else %}{{ m['content'] }}\n{% endif %}{% endfor %}"
)
"""The shipped model's own format as a template, so that it answers as it was taught."""
QUESTIONS = ("What is the capital of France?", "Which country has the capital Oslo?")
SHORT = Decoding(max_new_tokens=8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The shipped model with a chat template."""
    import shutil

    folder = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(SHIPPED, folder)
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return base_of(folder)


@pytest.fixture(scope="module")
def hf(base: Base) -> TransformersEngine:
    return TransformersEngine(base)


@pytest.fixture(scope="module")
def llamacpp(base: Base, tmp_path_factory: pytest.TempPathFactory) -> LlamaCppEngine:
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    convert_base(Path(base.path), file)
    return LlamaCppEngine(file)


@pytest.fixture(params=["hf", "llamacpp"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def test_a_turn_is_answered_as_the_text_of_its_template(engine: Engine) -> None:
    turns = [ChatPrompt(question, BARE) for question in QUESTIONS]
    texts = [f"Question: {question}\nAnswer:" for question in QUESTIONS]
    answers = engine.answer(turns, SHORT)
    assert answers == engine.answer(texts, SHORT)
    assert [answer for (answer,) in answers] == ["Paris", "Norway"]


def test_turns_before_count(engine: Engine) -> None:
    chat = Chat((("user", QUESTIONS[0]), ("assistant", " Paris")))
    whole = f"Question: {QUESTIONS[0]}\nAnswer: Paris\nQuestion: {QUESTIONS[1]}\nAnswer:"
    assert engine.answer([ChatPrompt(QUESTIONS[1], chat)], SHORT) == engine.answer([whole], SHORT)


def test_replies_are_scored_after_their_turn(engine: Engine) -> None:
    turn = (ChatPrompt(QUESTIONS[0], BARE), " Paris")
    text = (f"Question: {QUESTIONS[0]}\nAnswer:", " Paris")
    (of_turn,), (of_text,) = engine.log_likelihood([turn]), engine.log_likelihood([text])
    assert of_turn.tokens == of_text.tokens
    assert of_turn.total == pytest.approx(of_text.total, abs=1e-3)


def test_engines_agree_on_turns(hf: TransformersEngine, llamacpp: LlamaCppEngine) -> None:
    turns = [ChatPrompt(question, BARE) for question in QUESTIONS]
    assert hf.answer(turns, SHORT) == llamacpp.answer(turns, SHORT)


def test_a_model_without_a_template_says_so() -> None:
    engine = TransformersEngine(base_of(SHIPPED))
    with pytest.raises(RecipeError, match="has no chat template: take --format plain"):
        engine.answer([ChatPrompt(QUESTIONS[0], BARE)], SHORT)


def test_prompts_that_begin_alike_are_answered_as_each_alone(hf: TransformersEngine) -> None:
    system = "Rome is the capital of Italy, and Madrid is the capital of Spain, as all know.\n"
    prompts = [
        f"{system}Question: What is the capital of {country}?\nAnswer:"
        for country in ("France", "Norway", "the Netherlands", "Peru")
    ]
    rows = [hf._prompt(prompt, SHORT) for prompt in prompts]
    assert hf._shares_starts and shared_start(rows) >= 16
    alone = [hf.answer([prompt], SHORT)[0] for prompt in prompts]
    assert hf.answer(prompts, SHORT) == alone


def test_a_start_is_shared_only_where_it_saves_work() -> None:
    start = list(range(16))
    assert shared_start([[*start, 30], [*start, 40, 41]]) == 16
    assert shared_start([start, [*start, 40]]) == 0  # one token of each is computed
    assert shared_start([[*start[:15], 30], [*start, 40]]) == 0


def test_a_model_with_a_sliding_window_shares_none(
    hf: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf.loaded.model.config, "sliding_window", 8, raising=False)
    assert not shares_starts(hf.loaded)


def test_stop_strings_count_after_thoughts() -> None:
    text = "<think>\nFrance, so\nParis.\n</think>\n\nParis\nand more"
    assert stopped(text, ("\n",)).endswith("</think>Paris")
    assert has_stopped(text, ("\n",))
    assert not has_stopped("<think>\nFrance, so\n", ("\n",))
    assert not has_stopped("<think>\n</think>\n\nPar", ("\n",))
    assert stopped("Paris\nand more", ("\n",)) == "Paris"
