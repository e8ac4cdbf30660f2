"""The machine of a result: its description, its number of threads, and its NVIDIA GPUs."""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psutil

_SAMPLE = 0.2
"""Seconds over which the load of the processors is measured."""
_CGROUP = Path("/sys/fs/cgroup/cpu.max")


class Threads(NamedTuple):
    """How many threads this process computes with, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"{self.number} {'thread' if self.number == 1 else 'threads'} ({self.reason})"


def choose_threads(processes: int = 1) -> Threads:
    """Set OMP_NUM_THREADS and OMP_WAIT_POLICY, unless the user has; call it before torch's import.

    Each of ``processes`` gets an equal share of the processors that this process may use and that
    are idle now, at least one. Waiting threads sleep instead of spinning: where threads of two
    processes spin on the same processors, each takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    configured = configured_threads()
    if configured:
        return Threads(configured, "as OMP_NUM_THREADS says")
    allowed = processors()
    busy = _busy()
    count = max(1, min(allowed, round(len(_affinity()) - busy)) // processes)
    os.environ["OMP_NUM_THREADS"] = str(count)
    shared = f", {processes} processes" if processes > 1 else ""
    return Threads(count, f"of {allowed} cores, {busy:.1f} busy{shared}")


def threads() -> int:
    """The number of threads that this process computes with."""
    return configured_threads() or processors()


def configured_threads() -> int:
    """The number in OMP_NUM_THREADS; 0 where it is not set."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(text) if text.isdigit() else 0


def processors() -> int:
    """Number of processors for this process: by affinity and cgroup quota, rounded up."""
    affinity = len(_affinity())
    try:
        quota, period = _CGROUP.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no cgroup of version 2
        return affinity
    return affinity if quota == "max" else min(affinity, math.ceil(int(quota) / int(period)))


def _affinity() -> list[int]:
    """Indices of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy() -> float:
    """How many of the processors that this process may run on are busy now."""
    shares = psutil.cpu_percent(interval=_SAMPLE, percpu=True)
    return sum(shares[i] for i in _affinity() if i < len(shares)) / 100


@cache
def machine() -> str:
    """Such as ``Linux x86_64, 16 cores, 8 threads, NVIDIA H100 80GB HBM3, python 3.12.3``.

    The number of threads is part of it: it affects the last bits of weights trained on a CPU.
    """
    parts = [
        f"{platform.system()} {platform.machine()}",
        f"{os.cpu_count()} cores",
        f"{threads()} {'thread' if threads() == 1 else 'threads'}",
    ]
    for name, count in Counter(_gpu_names()).items():
        parts.append(name if count == 1 else f"{count} {name}")
    return ", ".join([*parts, f"python {platform.python_version()}"])


@cache
def nvml() -> Any:
    """The NVML library, initialised; None without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


@cache
def gpus() -> tuple[Any, ...]:
    """NVML's handles of all GPUs; none without a driver."""
    driver = nvml()
    if not driver:
        return ()
    return tuple(driver.nvmlDeviceGetHandleByIndex(i) for i in range(driver.nvmlDeviceGetCount()))


def _gpu_names() -> list[str]:
    driver = nvml()
    if not driver:
        return []
    try:
        return [str(driver.nvmlDeviceGetName(gpu)) for gpu in gpus()]
    except driver.NVMLError:  # a device that may not be read
        return []
