"""Windows of text, and their order over the epochs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import DataError
from harness.models.chat_templates import ChatTemplate, chat_template
from harness.models.files import encode, encode_pair
from harness.recipes import ChatPrompt, Dataset, Sample, Training

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Window(NamedTuple):
    """At most ``cutoff`` consecutive tokens of one sample."""

    ids: tuple[int, ...]
    start: int
    """Index of the first token that bears loss: at least 1, as nothing predicts token 0."""
    replay: bool = False
    chat: bool = False


def windows(
    dataset: Dataset, training: Training, tokenizer: PreTrainedTokenizerBase, replay: bool = False
) -> list[Window]:
    """All windows of ``dataset`` that bear loss, in order.

    Raises:
        DataError: no token of the whole dataset bears loss.
    """
    result = [
        window
        for sample, (ids, boundary) in zip(
            dataset.samples, _encoded(dataset, tokenizer), strict=True
        )
        for window in _of_sample(
            ids, loss_from(sample, boundary, training), training, replay, bool(sample.chat)
        )
    ]
    if not result:
        raise DataError(
            f"dataset {dataset.name!r} has no token to train on with loss_on={training.loss_on!r}:"
            " give it longer texts"
        )
    return result


# Cached, because all cells of a grid replay the same text.
@lru_cache(maxsize=4)
def _encoded(dataset: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[tuple[list[int], int]]:
    """The token ids of each sample, and how many of them are its prompt."""
    if all(sample.chat is None for sample in dataset.samples):
        return [_plain(sample, tokenizer) for sample in dataset.samples]
    template = chat_template(str(tokenizer.name_or_path), tokenizer)
    return [
        _plain(sample, tokenizer)
        if sample.chat is None
        else _turn(ChatPrompt(sample.prompt, sample.chat), sample.completion, template)
        for sample in dataset.samples
    ]


def _plain(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], int]:
    return encode_pair(partial(encode, tokenizer), sample.prompt, sample.completion)


def _turn(asked: ChatPrompt, answer: str, template: ChatTemplate) -> tuple[list[int], int]:
    tokenizer = template.tokenizer
    prompt = encode(tokenizer, template.prompt(asked), special=False)
    # encoded alone, as the model gives it
    reply = encode(tokenizer, template.reply(asked, answer), special=False)
    ends = template.end_tokens(encode(tokenizer, template.end, special=False))
    last = next((place for place, token in enumerate(reply, 1) if token in ends), len(reply))
    return [*prompt, *reply[:last]], len(prompt)


def loss_from(sample: Sample, boundary: int, training: Training) -> int:
    """Index of the first token that bears loss; in a chat only the assistant's do."""
    return boundary if training.loss_on == "answers" or sample.chat else 0


def _of_sample(
    ids: list[int], first: int, training: Training, replay: bool, chat: bool
) -> Iterator[Window]:
    for left, start, length in spans_of(len(ids), first, training):
        yield Window(tuple(ids[left : left + length]), start, replay, chat)


def spans_of(tokens: int, first: int, training: Training) -> Iterator[tuple[int, int, int]]:
    """The windows that bear loss in a sample of ``tokens``, of which those from ``first`` on do.

    Each is its left end, the first of its tokens that bears loss, and its length.
    """
    for left in _left_ends(tokens, training.cutoff, training.overlap):
        length = min(training.cutoff, tokens - left)
        start = max(1, first - left)
        if start < length:
            yield left, start, length


def _left_ends(length: int, cutoff: int, overlap: int) -> range:
    """Left ends of the windows over ``length`` tokens; the last window reaches the end."""
    stride = cutoff - overlap
    return range(0, max(length - overlap, 1), stride)


Batch = list[list[Window]]
"""One optimiser step: micro-batches of windows of similar length."""


def epochs(
    train: Sequence[Window], replay: Sequence[Window], training: Training
) -> Iterator[tuple[int, Batch]]:
    """(epoch from 1, batch) over all epochs, shuffled by ``training.seed``."""
    rng = random.Random(training.seed)
    for epoch in range(1, training.epochs + 1):
        mixed = [*train, *_drawn(replay, round(training.replay * len(train)), rng)]
        rng.shuffle(mixed)
        for left in range(0, len(mixed), training.batch):
            yield epoch, _micro_batches(mixed[left : left + training.batch], training.micro_batch)


def steps(train: int, training: Training) -> int:
    """Optimiser steps of the whole training on ``train`` windows."""
    mixed = train + round(training.replay * train)
    return training.epochs * -(-mixed // training.batch)


def _drawn(replay: Sequence[Window], count: int, rng: random.Random) -> list[Window]:
    """``count`` windows; each is drawn equally often, or once more than others."""
    drawn: list[Window] = []
    while replay and len(drawn) < count:
        drawn += rng.sample(replay, min(len(replay), count - len(drawn)))
    return drawn


def _micro_batches(batch: list[Window], size: int) -> Batch:
    """Micro-batches of similar length, which need little padding without packing.

    Turns of a chat are apart from other text, as they all begin alike.
    """
    ordered = sorted(batch, key=lambda w: len(w.ids))
    groups = [[w for w in ordered if w.chat == chat] for chat in (False, True)]
    return [group[left : left + size] for group in groups for left in range(0, len(group), size)]
