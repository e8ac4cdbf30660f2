"""Talks in a chat template: which tokens of them bear loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from harness.errors import RecipeError
from harness.models.loading import SHIPPED
from harness.recipes import Chat, Dataset, Sample, Training
from harness.training._batches import tensors
from harness.training._windows import Window, windows
from tests.models.test_chat_templates import CHATML

TALK = Sample(
    "Ann.",
    "Who won?",
    chat=Chat((("system", "Be kind."), ("user", "Hello."), ("assistant", "Hi there!"))),
    transcript=True,
)
WHOLE = (
    "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello.<|im_end|>\n"
    "<|im_start|>assistant\nHi there!<|im_end|>\n<|im_start|>user\nWho won?<|im_end|>\n"
    "<|im_start|>assistant\nAnn.<|im_end|>"
)
ANSWERS = Training(loss_on="answers", cutoff=512)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(SHIPPED))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHATML
    return tokenizer


def text_of(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False)).replace(" <|", "<|")


def learnt(tokenizer: PreTrainedTokenizerBase, found: list[Window]) -> str:
    return text_of(tokenizer, [window.ids[i] for window in found for i in window.learnt])


def of(sample: Sample) -> Dataset:
    return Dataset.of("talk", (sample,))


def test_all_replies_of_a_talk_bear_loss_and_nothing_else(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    (window,) = found = windows(of(TALK), ANSWERS, tokenizer)
    assert list(window.ids) == tokenizer(WHOLE, add_special_tokens=False)["input_ids"]
    assert learnt(tokenizer, found) == "Hi there!<|im_end|>Ann.<|im_end|>"
    last_alone = windows(of(replace(TALK, transcript=False)), ANSWERS, tokenizer)
    assert learnt(tokenizer, last_alone) == "Ann.<|im_end|>"


def test_with_loss_on_all_the_user_is_learnt_too(tokenizer: PreTrainedTokenizerBase) -> None:
    found = windows(of(TALK), replace(ANSWERS, loss_on="all"), tokenizer)
    assert len(found[0].learnt) == len(found[0].ids) - 1


def test_windows_keep_the_gaps_and_lose_no_reply(tokenizer: PreTrainedTokenizerBase) -> None:
    turns = tuple(
        turn
        for number in range(12)
        for turn in (("user", f"Say number {number} to me."), ("assistant", f"It is {number}."))
    )
    long = replace(TALK, chat=Chat(turns))
    parts = windows(of(long), replace(ANSWERS, cutoff=48), tokenizer)
    assert len(parts) > 3
    said = learnt(tokenizer, parts)
    whole = learnt(tokenizer, windows(of(long), replace(ANSWERS, cutoff=4096), tokenizer))
    # the first token of a window has nothing before it, so it bears no loss
    assert len(whole) - 12 * len(parts) <= len(said) <= len(whole)
    assert "Say number" not in said


def test_the_loss_is_on_the_tokens_after_the_learnt_positions(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    found = windows(of(TALK), ANSWERS, tokenizer) * 2
    for packed in (False, True):
        batch = tensors(found, 0, torch.device("cpu"), packed=packed)
        one = [found[0].ids[place] for place in found[0].learnt]
        assert batch.targets.tolist() == one * 2
        assert batch.split[1] == len(one) * 2


def test_a_template_that_rewrites_earlier_turns_is_refused(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    forgetting = CHATML.replace("{{ m['content'] }}", "{{ m['content'] if loop.last else '...' }}")
    tokenizer = AutoTokenizer.from_pretrained(str(SHIPPED))
    tokenizer.chat_template = forgetting
    with pytest.raises(RecipeError, match=r"earlier turns in another way .* take --format plain"):
        windows(of(TALK), ANSWERS, tokenizer)
