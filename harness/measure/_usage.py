"""Timings that another machine's noise does not spoil: each round stands beside a fixed piece of
work."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil

from harness.measure.machine import gpus, nvml
from harness.stats import ratio_bootstrap


def device_bytes() -> int | None:
    """What this process holds on all GPUs now; None without a driver, or where the driver does not
    tell.

    In a container the driver may know the process under another id, and then does not tell. On a
    machine without an NVIDIA driver that is no error, and costs nothing after the first look.
    """
    driver = nvml()
    if driver is None:
        return None
    try:
        running = (p for gpu in gpus() for p in driver.nvmlDeviceGetComputeRunningProcesses(gpu))
        return held(running, os.getpid())
    except driver.NVMLError:  # a device that went away, or may not be read
        return None


def held(processes: Iterable[Any], pid: int) -> int | None:
    """Bytes of ``pid`` among NVML's process entries (one a device); None where none is known."""
    own = [p.usedGpuMemory for p in processes if p.pid == pid and p.usedGpuMemory is not None]
    return sum(own) if own else None


_EVERY = 0.05  # seconds between looks at the resident set


class Usage(NamedTuple):
    """What a block cost. torch counts its own allocations, the driver also the CUDA context and
    other engines."""

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    """Highest resident set of this process, sampled every 50 ms."""
    peak_vram_bytes: int
    """Highest sum of what torch allocated on the GPU; 0 without one."""
    peak_vram_reserved_bytes: int
    """Highest sum of what torch held of the GPU."""
    peak_device_bytes: int | None = None
    """Highest GPU memory of this process by the driver, sampled every 50 ms; None where no driver
    tells."""

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
        allocated, reserved = (
            (cuda.max_memory_allocated(), cuda.max_memory_reserved()) if cuda else (0, 0)
        )
        sampler.stop()
        meter.usage = Usage(
            seconds, cpu_seconds, sampler.resident, allocated, reserved, sampler.device
        )


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

    ``extra_info`` gets ``canary_ratio``: [estimate, low, high] of the seconds of ``work`` over
    those of the canary, by bootstrap over rounds (95%); what it cost in memory, by name; and the
    canary's median seconds. Two saved runs differ where these intervals lie apart, whatever else
    the machine was doing. Nothing is recorded with --benchmark-disable.
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
    benchmark.extra_info.update(
        meter.usage.memory(), canary_ratio=list(ratio), canary_seconds=median(beside)
    )
