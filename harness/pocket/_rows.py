"""Documents packed into rows of one length, without attention from one to another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.pocket._documents import Mixture
from harness.pocket._parts import Document

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

_POOL = 96
"""Documents to choose from when a row is filled."""


class Rows(NamedTuple):
    """All of shape rows x length."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    """Position in the own document, from 0."""
    owner: NDArray[np.int64]
    """Number of the document in its row, from 1; 0 is padding."""
    loss: NDArray[np.bool_]
    """Whether the token is one to be foretold."""


class Tokens(NamedTuple):
    ids: list[int]
    loss: list[bool]


def tokens(documents: list[Document], tokenizer: PreTrainedTokenizerFast) -> list[Tokens]:
    """Token ids with BOS, and which of them bear loss: those that begin in a part that does."""
    texts = ["".join(part.text for part in document) for document in documents]
    encoded = tokenizer(texts, return_offsets_mapping=True)
    found = []
    for document, ids, spans in zip(
        documents, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        flags = [flag for part in document for flag in [part.loss] * len(part.text)]
        found.append(Tokens(ids, [False, *(flags[start] for start, _ in spans[1:])]))
    return found


def rows(
    mixture: Mixture,
    tokenizer: PreTrainedTokenizerFast,
    seed: str,
    progress: float,
    shape: tuple[int, int],
    long: bool,
) -> Rows:
    """``shape`` = (rows, length) of fresh documents; the same ``seed`` gives the same rows."""
    rng = random.Random(seed)
    count, length = shape

    def draw(n: int) -> list[Tokens]:
        made = [
            (
                mixture.long_document(rng)
                if long and rng.random() < 0.8
                else mixture.document(rng, progress)
            )
            for _ in range(n)
        ]
        return [t for t in tokens(made, tokenizer) if len(t.ids) <= length]

    batch = Rows(
        np.zeros((count, length), np.int64),
        np.zeros((count, length), np.int64),
        np.zeros((count, length), np.int64),
        np.zeros((count, length), np.bool_),
    )
    pool: list[Tokens] = []
    for row in range(count):
        at, number = 0, 0
        while True:
            if len(pool) < _POOL // 2:
                pool += draw(_POOL)
            fitting = next((i for i, t in enumerate(pool) if len(t.ids) <= length - at), None)
            if fitting is None:
                break
            found = pool.pop(fitting)
            end, number = at + len(found.ids), number + 1
            batch.ids[row, at:end] = found.ids
            batch.positions[row, at:end] = np.arange(end - at)
            batch.owner[row, at:end] = number
            batch.loss[row, at:end] = found.loss
            at = end
    return batch


VOCABULARY = 4096
SPECIAL = ("<s>", "</s>", "<pad>")
_YEARS = range(1800, 2051)


def make(
    mixture: Mixture, seed: int = 0, documents: int = 30_000, context: int = 1024
) -> PreTrainedTokenizerFast:
    """Trained on ``documents`` of the mixture; every year of 1800 to 2050 becomes one token."""
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
        yield "".join(part.text for part in mixture.document(rng, 1.0))
    for year in _YEARS:
        yield f" {year}" * 40
