"""Timings that another machine's noise does not spoil: each round stands beside a fixed piece of work."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from harness.measure._usage import measured
from harness.stats import ratio_bootstrap

_SIDE, _TIMES = 384, 40


def canary() -> float:
    """Seconds that a fixed piece of float32 arithmetic takes now, about 0.05 on one core."""
    block = np.full((_SIDE, _SIDE), 1 / _SIDE, np.float32)
    began = time.perf_counter()
    for _ in range(_TIMES):
        block = block @ block
    return time.perf_counter() - began


def timed(benchmark: Any, work: Callable[[], object], rounds: int) -> None:
    """Time ``work`` by pytest-benchmark's fixture, a canary before every round.

    ``extra_info`` gets ``canary_ratio``: [estimate, low, high] of the seconds of ``work`` over those of the canary, by
    bootstrap over rounds (95%); what it cost in memory, by name; and the canary's median seconds. Two saved runs differ
    where these intervals lie apart, whatever else the machine was doing. Nothing is recorded with --benchmark-disable.
    """
    canaries: list[float] = []

    def before() -> None:
        canaries.append(canary())

    with measured() as meter:
        benchmark.pedantic(work, setup=before, rounds=rounds, warmup_rounds=1, iterations=1)
    if benchmark.stats is None:
        return
    beside = canaries[-rounds:]
    ratio = ratio_bootstrap(benchmark.stats.stats.data, beside, range(rounds))
    benchmark.extra_info.update(meter.usage.memory(), canary_ratio=list(ratio), canary_seconds=median(beside))
