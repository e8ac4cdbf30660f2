"""The machine that a result is of: in words, and its GPUs as NVIDIA's driver knows them."""

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
    """Set OMP_NUM_THREADS and OMP_WAIT_POLICY, unless the user did; call it before torch is
    imported.

    Each of ``processes`` gets its share of the processors that this process may use and that are
    free now, at least one. Threads that wait do so asleep: those of two processes that spin on
    the same processors keep each other from working, and take many times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    asked = threads_asked()
    if asked:
        return Threads(asked, "as OMP_NUM_THREADS says")
    allowed, busy = processors(), _busy()
    count = max(1, min(allowed, round(_affinity() - busy)) // processes)
    os.environ["OMP_NUM_THREADS"] = str(count)
    shared = f", {processes} processes" if processes > 1 else ""
    return Threads(count, f"of {allowed} cores, {busy:.1f} busy{shared}")


def threads() -> int:
    """Those that this process computes with."""
    return threads_asked() or processors()


def threads_asked() -> int:
    """What OMP_NUM_THREADS says; 0 where it says nothing."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(text) if text.isdigit() else 0


def processors() -> int:
    """Those that this process may use: by affinity, and by the quota of its cgroup, rounded up."""
    try:
        quota, period = _CGROUP.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no cgroup of version 2
        return _affinity()
    return _affinity() if quota == "max" else min(_affinity(), math.ceil(int(quota) / int(period)))


def _affinity() -> int:
    return len(_own())


def _own() -> list[int]:
    """Indices of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy() -> float:
    """How many of the processors that this process may run on are at other work now."""
    shares = psutil.cpu_percent(interval=_SAMPLE, percpu=True)
    return sum(shares[i] for i in _own() if i < len(shares)) / 100


@cache
def machine() -> str:
    """Such as ``Linux x86_64, 16 cores, 8 threads, NVIDIA H100 80GB HBM3, python 3.12.3``.

    The threads decide the last bits of what is trained on a CPU.
    """
    cards = (name if count == 1 else f"{count} {name}" for name, count in Counter(_names()).items())
    system = f"{platform.system()} {platform.machine()}"
    used = f"{threads()} {'thread' if threads() == 1 else 'threads'}"
    return ", ".join(
        (system, f"{os.cpu_count()} cores", used, *cards, f"python {platform.python_version()}")
    )


@cache
def nvml() -> Any:
    """NVML, ready; None without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


@cache
def gpus() -> tuple[Any, ...]:
    """NVML's handles of all GPUs; none without a driver."""
    found = nvml()
    return (
        tuple(found.nvmlDeviceGetHandleByIndex(i) for i in range(found.nvmlDeviceGetCount()))
        if found
        else ()
    )


def _names() -> list[str]:
    found = nvml()
    try:
        return [str(found.nvmlDeviceGetName(gpu)) for gpu in gpus()]
    except found.NVMLError:  # a device that may not be read
        return []
