"""The tensors of a micro-batch: windows in rows of one width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapreplace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from harness.models.loading import Loaded
from harness.training._batches import Window

if TYPE_CHECKING:
    import torch

_WIDE = 1024
"""Tokens of a row at which attention, which grows with their square, takes about as long as all
else."""

Row = list[Window]
"""Windows that stand one after the other."""


class Tensors(NamedTuple):
    """``rows`` x ``tokens``, padded on the right; the flat parts have one item a loss-bearing
    position.

    The rows of replayed windows come last.
    """

    ids: torch.Tensor
    """int64, rows x tokens."""
    mask: torch.Tensor | None
    """int64, rows x tokens, 1 on text; None where no row is padded, or rows are packed."""
    positions: torch.Tensor | None
    """int64, rows x tokens, from 0 in each window; None where each has a row of its own."""
    at: torch.Tensor
    """int64, flat: indices into rows * tokens of the positions whose next token bears loss."""
    targets: torch.Tensor
    """int64, flat: those next tokens."""
    told: tuple[int, int]
    """How many rows, and how many loss-bearing positions, are not replayed."""

    def replayed(self) -> Tensors:
        """The replayed rows alone."""
        rows, flat = self.told
        mask, positions = (
            part if part is None else part[rows:] for part in (self.mask, self.positions)
        )
        at = self.at[flat:] - rows * self.ids.shape[1]
        return Tensors(self.ids[rows:], mask, positions, at, self.targets[flat:], (0, 0))


def tensors(
    windows: Sequence[Window], pad: int, device: torch.device, packed: bool = False
) -> Tensors:
    """A row a window, padded to the longest; or ``packed``, several to a row, with a third less to
    compute."""
    import torch

    told, replayed = ([w for w in windows if w.replay is replay] for replay in (False, True))
    if packed:
        (first, _), (last, _) = min(product(_packings(told), _packings(replayed)), key=_cost)
    else:
        first, last = [[w] for w in told], [[w] for w in replayed]
    rows = [*first, *last]
    width = max(map(_tokens, rows))
    ids = torch.tensor(
        [[i for w in row for i in w.ids] + [pad] * (width - _tokens(row)) for row in rows]
    ).to(device)
    at = torch.tensor([r * width + i for r, row in enumerate(rows) for i in _bearing(row)]).to(
        device
    )
    mask = positions = None
    if packed:
        # transformers keeps apart what counts from 0 again, where there is no mask
        positions = torch.tensor([_counted(row, width) for row in rows]).to(device)
    elif any(_tokens(row) < width for row in rows):
        mask = torch.tensor([[1] * _tokens(row) + [0] * (width - _tokens(row)) for row in rows]).to(
            device
        )
    flat = sum(len(w.ids) - w.start for w in told)
    return Tensors(ids, mask, positions, at, ids.view(-1)[at + 1], (len(first), flat))


def keeps_apart(loaded: Loaded) -> bool:
    """Whether the model answers to windows that share a row as it does to each alone: not all
    models can."""
    import torch

    first, second = range(5, 13), range(9, 17)
    both = torch.tensor([[*first, *second]], device=loaded.device)
    positions = torch.tensor([[*range(8), *range(8)]], device=loaded.device)
    with torch.no_grad():
        alone = loaded.model(input_ids=both[:, 8:], use_cache=False).logits[0]
        mixed = loaded.model(input_ids=both, use_cache=False).logits[0, 8:]
        try:
            packed = loaded.model(input_ids=both, position_ids=positions, use_cache=False).logits[
                0, 8:
            ]
        except (TypeError, ValueError):  # it counts positions itself
            return False
    return bool((packed - alone).abs().max() < 0.1 * (mixed - alone).abs().max())


class _Packing(NamedTuple):
    rows: list[Row]
    width: int
    """Tokens of the widest."""


def _packings(windows: Sequence[Window]) -> Iterator[_Packing]:
    """In one row, in two and so on: the longest window first, each to the row that has least."""
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


def _cost(packed: tuple[_Packing, _Packing]) -> float:
    """Of rows that are as wide as the widest, in tokens."""
    width = max(packing.width for packing in packed)
    return sum(len(packing.rows) for packing in packed) * width * (1 + width / _WIDE)


def _tokens(row: Row) -> int:
    return sum(len(w.ids) for w in row)


def _bearing(row: Row) -> list[int]:
    """Positions in the row whose next token bears loss."""
    left, found = 0, list[int]()
    for window in row:
        found += range(left + window.start - 1, left + len(window.ids) - 1)
        left += len(window.ids)
    return found


def _counted(row: Row, width: int) -> list[int]:
    """Positions in each window, and in the padding."""
    return [i for n in (*(len(w.ids) for w in row), width - _tokens(row)) for i in range(n)]
