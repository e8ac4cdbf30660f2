"""Windows of text as tensors with their loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from heapq import heapreplace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from harness.models.files import common_start
from harness.models.loading import Loaded
from harness.training._adapted import bare
from harness.training._windows import Window

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

_WIDE = 1024
"""Tokens in a row at which attention takes about as long as the rest of the model.

The time of attention grows with the square of the row's length.
"""

_STEP = 16
"""Packed rows are padded to a multiple of it: libraries prepare matrix products for each size."""

_LEAST_SHARED = 16
"""Tokens at the start of all windows of a micro-batch that are worth a mask of their own."""

Row = list[Window]
"""Windows one after the other. What they share at their start may stand there only once."""


class Taught(NamedTuple):
    """What a teacher says about some tokens of a micro-batch."""

    indices: torch.Tensor
    """int64, taught: those tokens, as indices into the flat items."""
    logs: torch.Tensor
    """float32, taught x vocabulary: the teacher's log-probabilities."""
    weight: float

    def loss(self, logits: torch.Tensor) -> torch.Tensor:
        """Summed KL(teacher || model), times the weight; ``logits`` are flat x vocabulary."""
        from torch.nn.functional import kl_div, log_softmax

        own = log_softmax(logits[self.indices], -1)
        return self.weight * kl_div(own, self.logs, log_target=True, reduction="sum")


class Tensors(NamedTuple):
    """A micro-batch. Rows are padded on the right, and rows of replayed windows come last.

    Flat tensors have one item for each position whose next token bears loss.
    """

    ids: torch.Tensor
    """int64, rows x tokens."""
    mask: torch.Tensor | None
    """int64, rows x tokens, 1 on text; None where no row is padded, or rows are packed.

    Where windows share their start: bool, rows x 1 x tokens x tokens, true where a token (third
    axis) sees another one (fourth axis).
    """
    positions: torch.Tensor | None
    """int64, rows x tokens, from 0 in each window; None where each has a row of its own."""
    indices: torch.Tensor
    """int64, flat: the positions, as indices into rows * tokens."""
    targets: torch.Tensor
    """int64, flat: their next tokens."""
    split: tuple[int, int]
    """Number of rows, and of flat items, before the first replayed one."""
    windows: tuple[Window, ...]
    """In the order of the flat items."""
    taught: Taught | None = None
    rows: tuple[Row, ...] = ()
    shared: int = 0
    """Tokens that stand once in each row, at its start."""

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
            windows=tuple(window for window in self.windows if window.replay),
            rows=self.rows[rows:],
            shared=self.shared,
        )


def tensors(
    windows: Sequence[Window],
    pad: int,
    device: torch.device,
    packed: bool = False,
    shared: bool = False,
) -> Tensors:
    """A row for each window, or ``packed``: several in a row, which computes a third less.

    ``shared``: what all windows share at their start, such as a system prompt, stands in each row
    only once. ``pad`` is the token id that fills up rows.
    """
    import torch

    text = [w for w in windows if not w.replay]
    replayed = [w for w in windows if w.replay]
    start = shared_start(windows) if shared else 0
    if packed or start:
        first, last = _best_packing(text, replayed, start)
    else:
        first = [[w] for w in text]
        last = [[w] for w in replayed]
    rows = [*first, *last]
    width = max(_tokens(row, start) for row in rows)
    if packed or start:
        width = -(-width // _STEP) * _STEP
    ids = [
        [*row[0].ids[:start], *(i for w in row for i in w.ids[start:])]
        + [pad] * (width - _tokens(row, start))
        for row in rows
    ]
    indices = [
        number * width + i for number, row in enumerate(rows) for i in _predicting(row, start)
    ]
    mask = positions = None
    if packed or start:
        # Without a mask, transformers keeps windows separate where positions restart at 0.
        positions = torch.tensor([_positions(row, width, start) for row in rows]).to(device)
    if start:
        mask = _seen([_segments(row, width, start) for row in rows]).to(device)
    elif not packed and any(_tokens(row, 0) < width for row in rows):
        masks = [[1] * _tokens(row, 0) + [0] * (width - _tokens(row, 0)) for row in rows]
        mask = torch.tensor(masks).to(device)
    id_tensor = torch.tensor(ids).to(device)
    index_tensor = torch.tensor(indices).to(device)
    return Tensors(
        ids=id_tensor,
        mask=mask,
        positions=positions,
        indices=index_tensor,
        targets=id_tensor.view(-1)[index_tensor + 1],
        split=(len(first), sum(len(w.learnt) for w in text)),
        windows=tuple(window for row in rows for window in row),
        rows=tuple(rows),
        shared=start,
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


def shares_starts(loaded: Loaded, cutoff: int) -> bool:
    """Whether the model answers to windows whose start stands once as it does to each alone.

    Two windows are run so, alone, and without a mask. It works where the logits are much nearer to
    those of a window alone. A model that looks back over fewer than ``cutoff`` tokens has masks of
    its own.
    """
    import torch

    config = loaded.model.config.get_text_config()
    if (getattr(config, "sliding_window", None) or cutoff) < cutoff:
        return False
    start = tuple(range(5, 5 + _LEAST_SHARED))
    pair = [Window((*start, *range(first, first + 8)), len(start) + 1) for first in (30, 50)]
    both = tensors(pair, 0, loaded.device, shared=True)
    alone = torch.tensor([pair[1].ids], device=loaded.device)
    inputs: dict[str, Any] = {"position_ids": both.positions, "use_cache": False}
    with torch.no_grad():
        try:
            unmasked = loaded.model(input_ids=both.ids, **inputs).logits[0, -8:]
            shared = loaded.model(input_ids=both.ids, attention_mask=both.mask, **inputs)
        except (TypeError, ValueError, RuntimeError):  # a model that makes its own mask
            return False
        expected = loaded.model(input_ids=alone, use_cache=False).logits[0, -8:]
    found = shared.logits[0, -8:]
    return bool((found - expected).abs().max() < 0.1 * (unmasked - expected).abs().max())


def shared_start(windows: Sequence[Window]) -> int:
    """Tokens at which all ``windows`` begin alike; 0 where they are too few to save anything.

    The last token before the loss is never among them, as its logits are needed in each window.
    """
    if len(windows) < 2:
        return 0
    count = min(window.start for window in windows) - 1
    shared = min(count, common_start(window.ids for window in windows))
    return shared if shared >= _LEAST_SHARED else 0


class Kept(Protocol):
    """What the frozen base computed of windows before."""

    def lower_layers(self, micro: Tensors) -> AbstractContextManager[None]:
        """Within this block what lies below the first adapted layer is not computed again."""
        ...

    def log_probabilities(self, micro: Tensors) -> torch.Tensor:
        """Of the base on the replayed windows of ``micro``: float32, flat x vocabulary."""
        ...


def loss_of(
    model: PeftModel,
    micro: Tensors,
    kl: float,
    replayed: bool = True,
    frozen: Kept | None = None,
) -> torch.Tensor:
    """Summed loss in nats: cross-entropy, and on replayed text ``kl`` * KL(base || adapted).

    Where a teacher says something about the text, its loss is added. With a ``kl`` of 0, replayed
    text has plain cross-entropy too; it counts only where ``replayed``. Infinite where all logits
    of each position are equal. ``frozen`` has what the base computes of these windows.
    """
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    with frozen.lower_layers(micro) if frozen else nullcontext():
        logits = logits_of(model, micro)
    rows, flat = micro.split
    # After an overflow, a norm can turn infinite activations into zeros, and so all logits into
    # zeros: the loss would look like that of guessing.
    if bool((logits == logits[:, :1]).all()):
        return logits.sum() + math.inf
    taught = micro.taught.loss(logits) if micro.taught else 0.0
    if not replayed:
        return cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum") + taught
    if not kl or rows == len(micro.ids):
        return cross_entropy(logits, micro.targets, reduction="sum") + taught
    if frozen:
        base = frozen.log_probabilities(micro)
    else:
        with torch.no_grad(), bare(model):
            base = log_softmax(logits_of(model, micro.replayed()), -1)
    divergence = kl_div(log_softmax(logits[flat:], -1), base, log_target=True, reduction="sum")
    text = cross_entropy(logits[:flat], micro.targets[:flat], reduction="sum") + taught
    return text + kl * divergence


def logits_of(model: PeftModel, micro: Tensors) -> torch.Tensor:
    """float32, loss-bearing positions x vocabulary.

    The head runs only on these positions. Where answers are at the end of their prompts, that saves
    time, and with a large vocabulary most of a step's memory.
    """
    inputs: dict[str, Any] = {
        "input_ids": micro.ids,
        "attention_mask": micro.mask,
        "use_cache": False,
    }
    if micro.positions is not None:
        inputs["position_ids"] = micro.positions
    with _selected(model, micro) as selected:
        out: torch.Tensor = model(**inputs).logits
    flat = out.view(-1, out.shape[-1])
    return (flat if selected else flat[micro.indices]).float()


@contextmanager
def _selected(model: PeftModel, micro: Tensors) -> Iterator[list[bool]]:
    """Within this block the head gets only the hidden states of the loss-bearing positions.

    The list is empty after a pass in which the model did not call its head on all positions.
    """
    selected: list[bool] = []

    def select(head: Any, inputs: tuple[torch.Tensor, ...]) -> Any:
        if not inputs or inputs[0].shape[:-1] != micro.ids.shape:
            return None
        selected.append(True)
        states = inputs[0].reshape(-1, inputs[0].shape[-1])
        return (states[micro.indices][None], *inputs[1:])

    head: Any = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(select)
    try:
        yield selected
    finally:
        hook.remove()


class _Packing(NamedTuple):
    rows: list[Row]
    width: int
    """Tokens in the longest row."""


def _best_packing(
    text: Sequence[Window], replayed: Sequence[Window], shared: int
) -> tuple[list[Row], list[Row]]:
    """The rows of ``text`` and of ``replayed`` that together cost least.

    The first ``shared`` tokens of all windows stand once in each row.
    """
    pairs = product(_packings(text, shared), _packings(replayed, shared))
    (first, _), (last, _) = min(pairs, key=_cost)
    return first, last


def _packings(windows: Sequence[Window], shared: int) -> Iterator[_Packing]:
    """Packings in one row, in two, and so on.

    Greedy: each window, the longest first, goes to the row with the fewest tokens.
    """
    ordered = sorted(windows, key=lambda w: -len(w.ids))
    if not ordered:
        yield _Packing([], 0)
    for count in range(1, len(ordered) + 1):
        rows: list[Row] = [[] for _ in range(count)]
        loads = [(shared, row) for row in range(count)]
        for window in ordered:
            load, row = loads[0]
            rows[row].append(window)
            heapreplace(loads, (load + len(window.ids) - shared, row))
        yield _Packing(rows, max(loads)[0])


def _cost(packings: tuple[_Packing, _Packing]) -> float:
    """Relative time of a forward pass, in tokens; all rows are padded to the longest."""
    width = max(packing.width for packing in packings)
    return sum(len(packing.rows) for packing in packings) * width * (1 + width / _WIDE)


def _tokens(row: Row, shared: int) -> int:
    return shared + sum(len(w.ids) - shared for w in row)


def _predicting(row: Row, shared: int) -> list[int]:
    """Positions in the row whose next token bears loss."""
    left = 0  # where the window would begin without the shared tokens
    positions: list[int] = []
    for window in row:
        positions += (left + place - 1 for place in window.learnt)
        left += len(window.ids) - shared
    return positions


def _positions(row: Row, width: int, shared: int) -> list[int]:
    """Positions from 0 in each window, and from 0 in the padding."""
    padding = range(width - _tokens(row, shared))
    return [*range(shared), *(i for w in row for i in range(shared, len(w.ids))), *padding]


def _segments(row: Row, width: int, shared: int) -> list[int]:
    """0 on the shared tokens, and another number on each window and on the padding."""
    windows = (number for number, w in enumerate(row, 1) for _ in w.ids[shared:])
    padding = width - _tokens(row, shared)
    return [*([0] * shared), *windows, *([-1] * padding)]


def _seen(segments: list[list[int]]) -> torch.Tensor:
    """Which tokens each one sees: those before it that are shared or of its own window."""
    import torch

    of = torch.tensor(segments)
    alike = (of[:, :, None] == of[:, None, :]) | (of == 0)[:, None, :]
    return (alike & torch.ones_like(alike[0]).tril())[:, None]
