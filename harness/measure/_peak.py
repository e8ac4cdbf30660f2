"""The most that this machine does in matrix products, to which use of it is compared."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

_SIDE = {"cpu": 1024, "cuda": 8192}
_SECONDS = 0.2
_LEAST = 5
"""Products that are timed at least."""


@cache
def product_rate(device: str, dtype: str) -> float:
    """Floating-point operations of a large matrix product: on ``cuda`` in a second.

    On ``cpu`` in a second of processor time, so that threads and other load do not matter. The
    best of those of a fifth of a second.
    """
    import torch

    side = _SIDE[device]
    left: Any = torch.full((side, side), 1 / side, dtype=getattr(torch, dtype), device=device)
    clock = time.perf_counter if device == "cuda" else time.process_time
    left @ left
    best, timed = 0.0, 0
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end or timed < _LEAST:
        start = clock()
        left @ left
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * side**3 / max(clock() - start, 1e-9))
        timed += 1
    return best
