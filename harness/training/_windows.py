"""Windows of text, and their order over the epochs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import DataError, RecipeError
from harness.models.chat_templates import ChatTemplate, chat_template
from harness.models.files import encode, encode_pair
from harness.recipes import Chat, ChatPrompt, Dataset, Sample, Training

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Reading(NamedTuple):
    """What a teacher reads: the context, the prompt, and the same completion as its window."""

    ids: tuple[int, ...]
    start: int
    """Index of the first token that it teaches; they are the last ones of the window, too."""

    @property
    def taught(self) -> int:
        """Number of tokens that it teaches."""
        return len(self.ids) - self.start


class Window(NamedTuple):
    """At most ``cutoff`` consecutive tokens of one sample."""

    ids: tuple[int, ...]
    start: int
    """Index of the first token that bears loss: at least 1, as nothing predicts token 0."""
    replay: bool = False
    chat: bool = False
    reading: Reading | None = None
    """Where a teacher reads a context before the same text."""
    gaps: tuple[tuple[int, int], ...] = ()
    """(first, end) of tokens after ``start`` that bear no loss: turns of a user."""

    @property
    def learnt(self) -> list[int]:
        """Indices of the tokens that bear loss."""
        left_out = {place for first, end in self.gaps for place in range(first, end)}
        return [place for place in range(self.start, len(self.ids)) if place not in left_out]


class Encoded(NamedTuple):
    """The tokens of a sample."""

    ids: list[int]
    prompt: int
    """How many of them, at the start, come before what is learnt."""
    gaps: tuple[tuple[int, int], ...] = ()
    """See ``Window``."""


def windows(
    dataset: Dataset, training: Training, tokenizer: PreTrainedTokenizerBase, replay: bool = False
) -> list[Window]:
    """All windows of ``dataset`` that bear loss, in order.

    Raises:
        DataError: no token of the whole dataset bears loss, or a sample with a context is longer
            than the cutoff.
    """
    result = [
        _with_reading(window, sample, encoded, tokenizer)
        if training.distil and sample.context and not replay
        else window
        for sample, encoded in zip(dataset.samples, _encoded(dataset, tokenizer), strict=True)
        for window in _of_sample(sample, encoded, training, replay)
    ]
    if not result:
        raise DataError(
            f"dataset {dataset.name!r} has no token to train on with loss_on={training.loss_on!r}:"
            " give it longer texts"
        )
    return result


def _with_reading(
    window: Window,
    sample: Sample,
    encoded: Encoded,
    tokenizer: PreTrainedTokenizerBase,
) -> Window:
    """``window`` of ``sample``, with what the teacher reads.

    Raises:
        DataError: the window is not the whole sample, so the teacher would read another text.
    """
    ids = encoded.ids
    if len(window.ids) < len(ids):
        raise DataError(
            f"a sample with a context has {len(ids)} tokens, which is more than the cutoff of"
            f" {len(window.ids)}: raise cutoff, or shorten {sample.prompt[:40]!r}"
        )
    completion = ids[max(1, encoded.prompt) :]
    before = _prompt(sample, sample.context + sample.prompt, tokenizer)
    return window._replace(reading=Reading((*before, *completion), len(before)))


def _prompt(sample: Sample, prompt: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """``prompt`` in place of that of ``sample``, as the model sees it before an answer."""
    if sample.chat is None:
        return encode(tokenizer, prompt)
    template = chat_template(str(tokenizer.name_or_path), tokenizer)
    return encode(tokenizer, template.prompt(ChatPrompt(prompt, sample.chat)), special=False)


# Cached, because all cells of a grid replay the same text.
@lru_cache(maxsize=4)
def _encoded(dataset: Dataset, tokenizer: PreTrainedTokenizerBase) -> list[Encoded]:
    if all(sample.chat is None for sample in dataset.samples):
        return [_plain(sample, tokenizer) for sample in dataset.samples]
    template = chat_template(str(tokenizer.name_or_path), tokenizer)
    return [
        _plain(sample, tokenizer) if sample.chat is None else _turns(sample, sample.chat, template)
        for sample in dataset.samples
    ]


def _plain(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> Encoded:
    return Encoded(*encode_pair(partial(encode, tokenizer), sample.prompt, sample.completion))


def _turns(sample: Sample, chat: Chat, template: ChatTemplate) -> Encoded:
    """The turns of ``sample``, of which the last reply is learnt, or of a transcript all."""
    tokenizer = template.tokenizer
    ends = template.end_tokens(partial(encode, tokenizer, special=False))
    ids: list[int] = []
    written = ""
    learnt: list[tuple[int, int]] = []
    for asked, answer in _replies(sample, chat):
        prompt = template.prompt(asked)
        said = template.reply(asked, answer)
        if not prompt.startswith(written):
            raise RecipeError(
                f"chat template of {template.model} writes earlier turns in another way than the"
                f" last one: a transcript cannot be learnt in it, take --format plain"
            )
        ids += encode(tokenizer, prompt[len(written) :], special=False)
        # encoded alone, as the model gives it
        reply = encode(tokenizer, said, special=False)
        last = next((place for place, token in enumerate(reply, 1) if token in ends), len(reply))
        learnt.append((len(ids), len(ids) + last))
        ids += reply[:last]
        # what a template writes after the end belongs to the next turn
        text, end, _ = said.partition(str(tokenizer.decode(list(ends)))) if ends else (said, "", "")
        written = prompt + text + end
    gaps = tuple((end, first) for (_, end), (first, _) in pairwise(learnt))
    return Encoded(ids, learnt[0][0], gaps)


def _replies(sample: Sample, chat: Chat) -> Iterator[tuple[ChatPrompt, str]]:
    """The prompts with their replies, the last one of ``sample`` last."""
    for place, (role, text) in enumerate(chat.before):
        if sample.transcript and role == "assistant":
            before, (_, question) = chat.before[: place - 1], chat.before[place - 1]
            yield ChatPrompt(question, replace(chat, before=before)), text
    yield ChatPrompt(sample.prompt, chat), sample.completion


def loss_from(sample: Sample, boundary: int, training: Training) -> int:
    """Index of the first token that bears loss; in a chat only the assistant's do."""
    in_turns = sample.chat and not sample.transcript
    return boundary if training.loss_on == "answers" or in_turns else 0


def _of_sample(
    sample: Sample, encoded: Encoded, training: Training, replay: bool
) -> Iterator[Window]:
    first = loss_from(sample, encoded.prompt, training)
    gaps = encoded.gaps if first else ()
    for left, start, length in spans_of(len(encoded.ids), first, training):
        inside = tuple(
            (max(start, begin - left), min(length, end - left))
            for begin, end in gaps
            if start < end - left and begin - left < length
        )
        ids = tuple(encoded.ids[left : left + length])
        window = Window(ids, start, replay, bool(sample.chat), gaps=inside)
        if window.learnt:
            yield window


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
            yield epoch, micro_batches(mixed[left : left + training.batch], training.micro_batch)


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


def micro_batches(batch: Sequence[Window], size: int) -> Batch:
    """Micro-batches of similar length, which need little padding without packing.

    Turns of a chat are apart from other text, as they all begin alike.
    """
    ordered = sorted(batch, key=lambda w: len(w.ids))
    groups = [[w for w in ordered if w.chat == chat] for chat in (False, True)]
    return [group[left : left + size] for group in groups for left in range(0, len(group), size)]
