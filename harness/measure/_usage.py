"""Seconds and memory of a block of code, and timings relative to a fixed computation."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil

from harness.measure.machine import gpus, nvml
from harness.stats import ratio_bootstrap

_INTERVAL = 0.05  # seconds between samples of memory


class Usage(NamedTuple):
    """The cost of a block.

    torch counts only its own allocations. The driver also counts the CUDA context and other
    engines.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    """Largest resident set of this process, sampled every 50 ms."""
    peak_vram_bytes: int
    """Most bytes that torch had allocated on the GPU; 0 without one."""
    peak_vram_reserved_bytes: int
    """Most bytes that torch had reserved on the GPU; 0 without one."""
    peak_device_bytes: int | None = None
    """Most GPU memory of this process by the driver, sampled every 50 ms; None where unknown."""

    def memory(self) -> dict[str, int | None]:
        """All peaks by name, for manifests."""
        return {name: value for name, value in self._asdict().items() if name.startswith("peak_")}

    def after(self, earlier: Usage) -> Usage:
        """The cost of one piece of work in two blocks: sums of seconds, the higher peaks."""
        device = [u.peak_device_bytes for u in (self, earlier) if u.peak_device_bytes is not None]
        return Usage(
            seconds=earlier.seconds + self.seconds,
            cpu_seconds=earlier.cpu_seconds + self.cpu_seconds,
            peak_rss_bytes=max(earlier.peak_rss_bytes, self.peak_rss_bytes),
            peak_vram_bytes=max(earlier.peak_vram_bytes, self.peak_vram_bytes),
            peak_vram_reserved_bytes=max(
                earlier.peak_vram_reserved_bytes, self.peak_vram_reserved_bytes
            ),
            peak_device_bytes=max(device, default=None),
        )


class Meter:
    """The result of ``measured``."""

    usage: Usage
    """Set when the block ends."""
    so_far: Callable[[], Usage]
    """The cost of the block until now."""


@contextmanager
def measured() -> Iterator[Meter]:
    """``with measured() as meter: ...``, then ``meter.usage``, also after an exception."""
    meter = Meter()
    cuda = _cuda()
    sampler = _Sampler()
    if cuda:
        cuda.reset_peak_memory_stats()
    wall_start = time.perf_counter()
    cpu_start = time.process_time()

    def until_now(sample: Callable[[], None]) -> Usage:
        if cuda:
            cuda.synchronize()  # kernels run asynchronously: wait for them before the clock is read
        seconds = time.perf_counter() - wall_start
        cpu_seconds = time.process_time() - cpu_start
        sample()
        return Usage(
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_rss_bytes=sampler.resident,
            peak_vram_bytes=cuda.max_memory_allocated() if cuda else 0,
            peak_vram_reserved_bytes=cuda.max_memory_reserved() if cuda else 0,
            peak_device_bytes=sampler.device,
        )

    meter.so_far = partial(until_now, sampler.sample)
    sampler.start()
    try:
        yield meter
    finally:
        meter.usage = until_now(sampler.stop)


class _Sampler(threading.Thread):
    """Keeps the peaks of this process's memory, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process()
        self._done = threading.Event()
        self.resident = 0
        self.device: int | None = None

    def run(self) -> None:
        while not self._done.wait(_INTERVAL):
            self.sample()

    def stop(self) -> None:
        self._done.set()
        self.join()
        self.sample()

    def sample(self) -> None:
        self.resident = max(self.resident, self._process.memory_info().rss)
        if (now := device_bytes()) is not None:
            self.device = max(self.device or 0, now)


def _cuda() -> Any:
    """torch.cuda where it is in use; an import of torch only to measure would take seconds."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def device_bytes() -> int | None:
    """GPU memory of this process on all GPUs now; None without a driver, or where it is unknown.

    In a container the driver may know the process under another id; then it is unknown. A machine
    without an NVIDIA driver is no error, and costs nothing after the first call.
    """
    driver = nvml()
    if driver is None:
        return None
    try:
        entries = (p for gpu in gpus() for p in driver.nvmlDeviceGetComputeRunningProcesses(gpu))
        return bytes_of(os.getpid(), entries)
    except driver.NVMLError:  # a device that was removed, or may not be read
        return None


def bytes_of(pid: int, entries: Iterable[Any]) -> int | None:
    """GPU memory of ``pid`` by NVML's process entries, one for each device; None where unknown."""
    used = [p.usedGpuMemory for p in entries if p.pid == pid and p.usedGpuMemory is not None]
    return sum(used) if used else None


_SIDE = 384
_PRODUCTS = 40


def canary() -> float:
    """Seconds that a fixed float32 computation takes now, about 0.05 on one core."""
    block = np.full((_SIDE, _SIDE), 1 / _SIDE, np.float32)  # its powers neither grow nor vanish
    start = time.perf_counter()
    for _ in range(_PRODUCTS):
        block = block @ block
    return time.perf_counter() - start


def timed(benchmark: Any, work: Callable[[], object], rounds: int) -> None:
    """Time ``work`` by pytest-benchmark's fixture, with a ``canary`` before each round.

    ``benchmark.extra_info`` gets three things. ``canary_ratio`` is [estimate, low, high] of the
    seconds of ``work`` divided by those of the canary, by a bootstrap over rounds (95%). The peaks
    of memory stand there by name, and ``canary_seconds`` is the canary's median.

    Other load slows both down, so the ratio changes less than the seconds: two saved runs differ
    where these intervals do not overlap. Nothing is recorded with --benchmark-disable.
    """
    canaries: list[float] = []

    def before_round() -> None:
        canaries.append(canary())

    with measured() as meter:
        benchmark.pedantic(work, setup=before_round, rounds=rounds, warmup_rounds=1, iterations=1)
    if benchmark.stats is None:
        return
    canaries = canaries[-rounds:]  # without the warm-up round
    ratio = ratio_bootstrap(benchmark.stats.stats.data, canaries, range(rounds))
    benchmark.extra_info.update(
        meter.usage.memory(), canary_ratio=list(ratio), canary_seconds=median(canaries)
    )
