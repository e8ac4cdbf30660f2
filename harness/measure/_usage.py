"""Time and peak memory of a block of code."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil

from harness.measure._driver import device_bytes

_EVERY = 0.05  # seconds between looks at the resident set


class Usage(NamedTuple):
    """What a block cost. torch counts its own allocations, the driver also the CUDA context and other engines."""

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    """Highest resident set of this process, sampled every 50 ms."""
    peak_vram_bytes: int
    """Highest sum of what torch allocated on the GPU; 0 without one."""
    peak_vram_reserved_bytes: int
    """Highest sum of what torch held of the GPU."""
    peak_device_bytes: int | None = None
    """Highest GPU memory of this process by the driver, sampled every 50 ms; None where no driver tells."""

    def memory(self) -> dict[str, int | None]:
        """Every peak by its name, for manifests."""
        return {name: value for name, value in self._asdict().items() if name.startswith("peak_")}


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
        sampler.stop()
        meter.usage = Usage(seconds, cpu_seconds, sampler.resident, allocated, reserved, sampler.device)


class _Sampler(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process()
        self._done = threading.Event()
        self.resident = 0
        self.device: int | None = None

    def run(self) -> None:
        while not self._done.wait(_EVERY):
            self._look()

    def stop(self) -> None:
        self._done.set()
        self.join()
        self._look()

    def _look(self) -> None:
        self.resident = max(self.resident, self._process.memory_info().rss)
        if (now := device_bytes()) is not None:
            self.device = max(self.device or 0, now)


def _cuda() -> Any:
    """torch.cuda where it is in use; importing torch only to measure would cost seconds."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
