"""Time and peak memory of a block of code."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil

_EVERY = 0.05  # seconds between looks at the resident set


class Usage(NamedTuple):
    """What a block cost. torch's counters see its own allocations only, neither llama.cpp's nor the CUDA context."""

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    """Highest resident set of this process, sampled every 50 ms."""
    peak_vram_bytes: int
    """Highest sum of what torch allocated on the GPU; 0 without one."""
    peak_vram_reserved_bytes: int
    """Highest sum of what torch held of the GPU."""


class Meter:
    """``usage`` is set when the measured block ends."""

    usage: Usage


@contextmanager
def measured() -> Iterator[Meter]:
    """``with measured() as meter: ...`` then ``meter.usage``, also when the block raised."""
    meter, cuda, sampler = Meter(), _cuda(), _Sampler()
    if cuda:
        cuda.reset_peak_memory_stats()
    wall, cpu = time.perf_counter(), time.process_time()
    sampler.start()
    try:
        yield meter
    finally:
        if cuda:
            cuda.synchronize()
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        allocated, reserved = (cuda.max_memory_allocated(), cuda.max_memory_reserved()) if cuda else (0, 0)
        meter.usage = Usage(seconds, cpu_seconds, sampler.stop(), allocated, reserved)


class _Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process()
        self._done = threading.Event()
        self._peak = 0

    def run(self) -> None:
        while not self._done.wait(_EVERY):
            self._look()

    def stop(self) -> int:
        self._done.set()
        self.join()
        self._look()
        return self._peak

    def _look(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)


def _cuda() -> Any:
    """torch.cuda where it is in use; importing torch only to measure would cost seconds."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
