"""Documents packed into rows of equal length, and the tokenizer that is trained on them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.pocket._documents import Mixture
from harness.pocket._parts import Document

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Plan:
    """The settings of a training.

    The dimensions fit GPTQ's groups of 128 and the 256-wide blocks of GGUF's k-quants.
    """

    steps: int = 5600
    tokens: int = 4096
    """Tokens per step."""
    row: int = 256
    """Tokens per row."""
    long_row: int = 1024
    """Tokens per long row, and the context of the model."""
    long_every: int = 10
    """Steps from one batch of long rows to the next, for reading long passages."""
    hidden: int = 256
    layers: int = 4
    mlp: int = 768
    heads: int = 4
    lr: float = 3e-3
    warmup: int = 100
    decay: float = 0.35
    """Share of the steps, at the end, in which the learning rate falls to 0."""
    weight_decay: float = 0.05
    asked_from: float = 0.4
    """Share of the steps after which there are questions about all facts (see ``Mixture``)."""
    copying: float = 0.12
    """Share of the steps, at the start, with many documents to copy."""
    only: str = ""
    """``judging`` for documents of that kind alone, which gives a judge."""
    shares: str = ""
    """Changed shares of the kinds of documents, such as ``reading=0.4,judging=0.2``."""
    start: str = ""
    """Folder of an earlier model, whose weights and tokenizer are the start of this one."""
    seed: int = 0


_POOL = 96
"""Documents drawn at once; a row takes the first ones that still fit into it."""


class Rows(NamedTuple):
    """A batch of packed documents; all arrays have the shape rows x length."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    """Position of the token in its document, from 0."""
    owner: NDArray[np.int64]
    """Number of the document in its row, from 1; 0 is padding."""
    loss: NDArray[np.bool_]
    """Whether the token is trained."""


class Tokens(NamedTuple):
    """One document in tokens."""

    ids: list[int]
    loss: list[bool]
    """Whether each token is trained."""


def tokens(documents: list[Document], tokenizer: PreTrainedTokenizerFast) -> list[Tokens]:
    """The tokens of each document, with BOS; trained are those that begin in a trained segment."""
    texts = ["".join(segment.text for segment in document) for document in documents]
    encoded = tokenizer(texts, return_offsets_mapping=True)
    results = []
    for document, ids, spans in zip(
        documents, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        by_character: list[bool] = []
        for segment in document:
            by_character += [segment.loss] * len(segment.text)
        results.append(Tokens(ids, [False, *(by_character[start] for start, _ in spans[1:])]))
    return results


def rows(
    mixture: Mixture,
    tokenizer: PreTrainedTokenizerFast,
    seed: str,
    progress: float,
    shape: tuple[int, int],
    long: bool,
) -> Rows:
    """New documents in the ``shape`` (rows, length); the same ``seed`` gives the same rows.

    ``progress`` is the share of the training that is done, 0 to 1; ``long`` is for long passages.
    """
    rng = random.Random(seed)
    count, length = shape

    def draw(n: int) -> list[Tokens]:
        documents = []
        for _ in range(n):
            if long and rng.random() < 0.8:
                documents.append(mixture.long_document(rng))
            else:
                documents.append(mixture.document(rng, progress))
        return [t for t in tokens(documents, tokenizer) if len(t.ids) <= length]

    batch = Rows(
        np.zeros((count, length), np.int64),
        np.zeros((count, length), np.int64),
        np.zeros((count, length), np.int64),
        np.zeros((count, length), np.bool_),
    )
    pool: list[Tokens] = []
    for row in range(count):
        at = 0
        number = 0
        while True:
            if len(pool) < _POOL // 2:
                pool += draw(_POOL)
            fitting = next((i for i, t in enumerate(pool) if len(t.ids) <= length - at), None)
            if fitting is None:
                break
            document = pool.pop(fitting)
            number += 1
            end = at + len(document.ids)
            batch.ids[row, at:end] = document.ids
            batch.positions[row, at:end] = np.arange(end - at)
            batch.owner[row, at:end] = number
            batch.loss[row, at:end] = document.loss
            at = end
    return batch


def batches(
    mixture: Mixture, tokenizer: PreTrainedTokenizerFast, plan: Plan, first: int, workers: int
) -> Iterator[tuple[int, Rows]]:
    """(step, rows) of the steps after ``first``; rows are generated some steps ahead."""
    source = (mixture, tokenizer, plan)
    pool: Executor
    if workers > 1:  # spawned, because CUDA does not work after a fork
        pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_prepare, initargs=source
        )
    else:
        pool = ThreadPoolExecutor(1, initializer=_prepare, initargs=source)
    steps = range(first + 1, plan.steps + 1)
    lead = 4 * workers
    try:
        ahead = deque(pool.submit(_make, step) for step in steps[:lead])
        for step in steps:
            batch = ahead.popleft().result()
            if step + lead <= plan.steps:
                ahead.append(pool.submit(_make, step + lead))
            yield step, batch
    finally:
        pool.shutdown(cancel_futures=True)


_source: tuple[Mixture, PreTrainedTokenizerFast, Plan]
"""The arguments of ``_make`` in this worker process, which are too large to send every time."""


def _prepare(mixture: Mixture, tokenizer: PreTrainedTokenizerFast, plan: Plan) -> None:
    global _source
    _source = (mixture, tokenizer, plan)


def _make(step: int) -> Rows:
    """The rows of one step; their seed is plan and step, so workers do not change the text."""
    mixture, tokenizer, plan = _source
    long = not plan.only and step % plan.long_every == 0
    length = plan.long_row if long else plan.row
    shape = (max(1, plan.tokens // length), length)
    return rows(mixture, tokenizer, f"{plan.seed}/{step}", step / plan.steps, shape, long)


VOCABULARY = 4096
SPECIAL = ("<s>", "</s>", "<pad>")
_YEARS = range(1800, 2051)


def make_tokenizer(
    mixture: Mixture, seed: int = 0, documents: int = 30_000, context: int = 1024
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, trained on ``documents`` documents of the mixture.

    Every year from 1800 to 2050 becomes one token.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(mixture, seed, documents), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _texts(mixture: Mixture, seed: int, documents: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(documents):
        yield "".join(segment.text for segment in mixture.document(rng, 1.0))
    for year in _YEARS:
        yield f" {year}" * 40  # often enough to be merged into one token
