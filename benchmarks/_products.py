"""Matrix products of the size of a small model's layers: GFLOP/s."""

from __future__ import annotations

import torch

from benchmarks._side_by_side import Result, Row, as_shipped, compare, seconds
from harness.models.products import use_onednn

SIZE = (1024, 576, 1536)
"""Rows, inputs, outputs: a micro-batch through the MLP of SmolLM2-135M."""
_LEAST = 0.3


def products(rounds: int) -> list[Row]:
    """The harness's float32 first, then torch's as it comes, and bfloat16."""
    use_onednn()

    def shipped() -> Result:
        with as_shipped():
            return _product(torch.float32)

    return compare(
        {
            "float32, as the harness sets it": lambda: _product(torch.float32),
            "float32, torch as it comes": shipped,
            "bfloat16": lambda: _product(torch.bfloat16),
        },
        2 * rounds + 1,
    )


def _product(dtype: torch.dtype) -> Result:
    rows, inputs, outputs = SIZE
    left = torch.randn(rows, inputs).to(dtype)
    weights = torch.randn(outputs, inputs).to(dtype)
    torch.nn.functional.linear(left, weights)
    start = seconds()
    count = 0
    while seconds() - start < _LEAST:
        torch.nn.functional.linear(left, weights)
        count += 1
    return Result(count * 2 * rows * inputs * outputs / 1e9, seconds() - start)
