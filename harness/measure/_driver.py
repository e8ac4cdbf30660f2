"""GPU memory of this process as NVIDIA's driver counts it: the CUDA context, and engines outside torch, included."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from harness.machine import gpus, nvml


def device_bytes() -> int | None:
    """What this process holds on all GPUs now; None without a driver, or where the driver does not tell.

    In a container the driver may know the process under another id, and then does not tell. On a machine without an
    NVIDIA driver that is no error, and costs nothing after the first look.
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
