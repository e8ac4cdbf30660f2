"""Windows of text in batches, as tensors with their loss."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from heapq import heapreplace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import DataError
from harness.models.files import encode, encode_pair
from harness.models.loading import Loaded
from harness.recipes import Dataset, Training
from harness.training._adapted import bare

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Window(NamedTuple):
    """At most ``cutoff`` consecutive tokens of one sample."""

    ids: tuple[int, ...]
    start: int
    """Index of the first token that bears loss: at least 1, as nothing predicts token 0."""
    replay: bool = False


def windows(
    dataset: Dataset, training: Training, tokenizer: PreTrainedTokenizerBase, replay: bool = False
) -> list[Window]:
    """All windows of ``dataset`` that bear loss, in order.

    Raises:
        DataError: no token of the whole dataset bears loss.
    """
    result = [
        window
        for ids, boundary in _encoded(dataset, tokenizer)
        for window in _of_sample(ids, boundary, training, replay)
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
    return [
        encode_pair(partial(encode, tokenizer), sample.prompt, sample.completion)
        for sample in dataset.samples
    ]


def _of_sample(ids: list[int], boundary: int, training: Training, replay: bool) -> Iterator[Window]:
    for left, start, length in spans_of(len(ids), boundary, training):
        yield Window(tuple(ids[left : left + length]), start, replay)


def spans_of(tokens: int, boundary: int, training: Training) -> Iterator[tuple[int, int, int]]:
    """The windows that bear loss in a sample of ``tokens``, of which ``boundary`` are its prompt.

    Each is its left end, the first of its tokens that bears loss, and its length.
    """
    first = boundary if training.loss_on == "answers" else 0
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
    """Micro-batches of similar length, which need little padding without packing."""
    ordered = sorted(batch, key=lambda w: len(w.ids))
    return [ordered[left : left + size] for left in range(0, len(ordered), size)]


if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_WIDE = 1024
"""Tokens in a row at which attention takes about as long as the rest of the model.

The time of attention grows with the square of the row's length.
"""

Row = list[Window]
"""Windows one after the other."""


class Tensors(NamedTuple):
    """A micro-batch. Rows are padded on the right, and rows of replayed windows come last.

    Flat tensors have one item for each position whose next token bears loss.
    """

    ids: torch.Tensor
    """int64, rows x tokens."""
    mask: torch.Tensor | None
    """int64, rows x tokens, 1 on text; None where no row is padded, or rows are packed."""
    positions: torch.Tensor | None
    """int64, rows x tokens, from 0 in each window; None where each has a row of its own."""
    indices: torch.Tensor
    """int64, flat: the positions, as indices into rows * tokens."""
    targets: torch.Tensor
    """int64, flat: their next tokens."""
    split: tuple[int, int]
    """Number of rows, and of flat items, before the first replayed one."""

    def replayed(self) -> Tensors:
        """The replayed rows alone."""
        rows, flat = self.split
        return Tensors(
            ids=self.ids[rows:],
            mask=None if self.mask is None else self.mask[rows:],
            positions=None if self.positions is None else self.positions[rows:],
            indices=self.indices[flat:] - rows * self.ids.shape[1],
            targets=self.targets[flat:],
            split=(0, 0),
        )


def tensors(
    windows: Sequence[Window], pad: int, device: torch.device, packed: bool = False
) -> Tensors:
    """A row for each window, or ``packed``: several in a row, which computes a third less.

    ``pad`` is the token id that fills up rows.
    """
    import torch

    text = [w for w in windows if not w.replay]
    replayed = [w for w in windows if w.replay]
    if packed:
        first, last = _best_packing(text, replayed)
    else:
        first = [[w] for w in text]
        last = [[w] for w in replayed]
    rows = [*first, *last]
    width = max(map(_tokens, rows))
    ids = [[i for w in row for i in w.ids] + [pad] * (width - _tokens(row)) for row in rows]
    indices = [number * width + i for number, row in enumerate(rows) for i in _predicting(row)]
    mask = positions = None
    if packed:
        # Without a mask, transformers keeps windows separate where positions restart at 0.
        positions = torch.tensor([_positions(row, width) for row in rows]).to(device)
    elif any(_tokens(row) < width for row in rows):
        masks = [[1] * _tokens(row) + [0] * (width - _tokens(row)) for row in rows]
        mask = torch.tensor(masks).to(device)
    id_tensor = torch.tensor(ids).to(device)
    index_tensor = torch.tensor(indices).to(device)
    return Tensors(
        ids=id_tensor,
        mask=mask,
        positions=positions,
        indices=index_tensor,
        targets=id_tensor.view(-1)[index_tensor + 1],
        split=(len(first), sum(len(w.ids) - w.start for w in text)),
    )


def keeps_apart(loaded: Loaded) -> bool:
    """Whether the model answers to packed windows as it does to each alone; not all models do.

    One window is run alone, packed behind another, and behind it without a boundary. Packing works
    where its logits are much nearer to those of the window alone.
    """
    import torch

    first = range(5, 13)
    second = range(9, 17)
    both = torch.tensor([[*first, *second]], device=loaded.device)
    positions = torch.tensor([[*range(8), *range(8)]], device=loaded.device)
    with torch.no_grad():
        alone = loaded.model(input_ids=both[:, 8:], use_cache=False).logits[0]
        mixed = loaded.model(input_ids=both, use_cache=False).logits[0, 8:]
        try:
            output = loaded.model(input_ids=both, position_ids=positions, use_cache=False)
        except (TypeError, ValueError):  # a model that counts positions itself
            return False
    packed = output.logits[0, 8:]
    return bool((packed - alone).abs().max() < 0.1 * (mixed - alone).abs().max())


def loss_of(model: PeftModel, micro: Tensors, kl: float, replayed: bool = True) -> torch.Tensor:
    """Summed loss in nats: cross-entropy, and on replayed text ``kl`` * KL(base || adapted).

    With a ``kl`` of 0, replayed text has plain cross-entropy too; it counts only where
    ``replayed``. Infinite where all logits of each position are equal.
    """
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    logits = logits_of(model, micro)
    rows, flat = micro.split
    # After an overflow, a norm can turn infinite activations into zeros, and so all logits into
    # zeros: the loss would look like that of guessing.
    if bool((logits == logits[:, :1]).all()):
        return logits.sum() + math.inf
    if not replayed:
        return cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum")
    if not kl or rows == len(micro.ids):
        return cross_entropy(logits, micro.targets, reduction="sum")
    with torch.no_grad(), bare(model):
        base = log_softmax(logits_of(model, micro.replayed()), -1)
    divergence = kl_div(log_softmax(logits[flat:], -1), base, log_target=True, reduction="sum")
    return cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum") + kl * divergence


def logits_of(model: PeftModel, micro: Tensors) -> torch.Tensor:
    """float32, loss-bearing positions x vocabulary.

    The head runs only on columns in which some row bears loss. Where answers are at the end of
    their prompts, that saves a little time, and with a large vocabulary most of a step's memory.
    """
    width = micro.ids.shape[1]
    columns, column = (micro.indices % width).unique(return_inverse=True)
    inputs: dict[str, Any] = {
        "input_ids": micro.ids,
        "attention_mask": micro.mask,
        "use_cache": False,
    }
    if micro.positions is not None:
        inputs["position_ids"] = micro.positions
    out: torch.Tensor = model(**inputs, logits_to_keep=columns).logits
    if out.shape[1] == width:  # a model that ignores logits_to_keep, or all columns
        return out.view(-1, out.shape[-1])[micro.indices].float()
    return out[micro.indices // width, column].float()


class _Packing(NamedTuple):
    rows: list[Row]
    width: int
    """Tokens in the longest row."""


def _best_packing(
    text: Sequence[Window], replayed: Sequence[Window]
) -> tuple[list[Row], list[Row]]:
    """The rows of ``text`` and of ``replayed`` that together cost least."""
    pairs = product(_packings(text), _packings(replayed))
    (first, _), (last, _) = min(pairs, key=_cost)
    return first, last


def _packings(windows: Sequence[Window]) -> Iterator[_Packing]:
    """Packings in one row, in two, and so on.

    Greedy: each window, the longest first, goes to the row with the fewest tokens.
    """
    ordered = sorted(windows, key=lambda w: -len(w.ids))
    if not ordered:
        yield _Packing([], 0)
    for count in range(1, len(ordered) + 1):
        rows: list[Row] = [[] for _ in range(count)]
        loads = [(0, row) for row in range(count)]
        for window in ordered:
            load, row = loads[0]
            rows[row].append(window)
            heapreplace(loads, (load + len(window.ids), row))
        yield _Packing(rows, max(loads)[0])


def _cost(packings: tuple[_Packing, _Packing]) -> float:
    """Relative time of a forward pass, in tokens; all rows are padded to the longest."""
    width = max(packing.width for packing in packings)
    return sum(len(packing.rows) for packing in packings) * width * (1 + width / _WIDE)


def _tokens(row: Row) -> int:
    return sum(len(w.ids) for w in row)


def _predicting(row: Row) -> list[int]:
    """Positions in the row whose next token bears loss."""
    left = 0
    positions: list[int] = []
    for window in row:
        positions += range(left + window.start - 1, left + len(window.ids) - 1)
        left += len(window.ids)
    return positions


def _positions(row: Row, width: int) -> list[int]:
    """Positions from 0 in each window, and from 0 in the padding."""
    lengths = [*(len(w.ids) for w in row), width - _tokens(row)]
    return [i for length in lengths for i in range(length)]
