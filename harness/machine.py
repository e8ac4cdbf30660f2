"""The machine that a result is of: in words, and its GPUs as NVIDIA's driver knows them."""

from __future__ import annotations

import os
import platform
from collections import Counter
from functools import cache
from typing import Any


@cache
def machine() -> str:
    """Such as ``Linux x86_64, 16 cores, NVIDIA H100 80GB HBM3, python 3.12.3``."""
    cards = (name if count == 1 else f"{count} {name}" for name, count in Counter(_names()).items())
    system = f"{platform.system()} {platform.machine()}"
    return ", ".join((system, f"{os.cpu_count()} cores", *cards, f"python {platform.python_version()}"))


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
    return tuple(found.nvmlDeviceGetHandleByIndex(i) for i in range(found.nvmlDeviceGetCount())) if found else ()


def _names() -> list[str]:
    found = nvml()
    try:
        return [str(found.nvmlDeviceGetName(gpu)) for gpu in gpus()]
    except found.NVMLError:  # a device that may not be read
        return []
