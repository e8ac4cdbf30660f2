"""Documents packed into rows of one length, without attention from one to another."""

from __future__ import annotations

import random
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
    for document, ids, spans in zip(documents, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        flags = [flag for part in document for flag in [part.loss] * len(part.text)]
        found.append(Tokens(ids, [False, *(flags[start] for start, _ in spans[1:])]))
    return found


def rows(
    mixture: Mixture, tokenizer: PreTrainedTokenizerFast, seed: str, progress: float, shape: tuple[int, int], long: bool
) -> Rows:
    """``shape`` = (rows, length) of fresh documents; the same ``seed`` gives the same rows."""
    dice = random.Random(seed)
    count, length = shape

    def draw(n: int) -> list[Tokens]:
        made = [
            mixture.long_document(dice) if long and dice.random() < 0.8 else mixture.document(dice, progress)
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
