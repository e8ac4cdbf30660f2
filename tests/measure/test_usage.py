"""What a block cost."""

from __future__ import annotations

import time
from typing import Any

import pynvml
import pytest

from harness.measure import Usage, measured
from harness.measure._usage import device_bytes, held


def test_seconds_and_memory_of_a_block() -> None:
    with measured() as meter:
        block = bytearray(200 * 2**20)
        time.sleep(0.2)
    before = meter.usage.peak_rss_bytes
    assert len(block) and 0.2 <= meter.usage.seconds < 2
    del block
    with measured() as later:
        pass
    assert later.usage.peak_rss_bytes < before - 150 * 2**20


def test_a_block_that_raises_is_measured_too() -> None:
    with pytest.raises(KeyError), measured() as meter:
        raise KeyError
    assert meter.usage.seconds >= 0


def test_without_a_driver_there_is_silence() -> None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert device_bytes() is None
        with measured() as meter:
            pass
        assert meter.usage.peak_device_bytes is None
    else:
        used = device_bytes()
    assert used is None or used > 0


def entry(pid: int, used: int) -> Any:
    """What pynvml makes of the driver's own struct."""
    struct = pynvml.c_nvmlProcessInfo_v3_t(pid=pid, usedGpuMemory=used)
    made = pynvml.nvmlStructToFriendlyObject(struct)
    if used == pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value:
        made.usedGpuMemory = None  # as nvmlDeviceGetComputeRunningProcesses does
    return made


def test_the_driver_s_entries_of_this_process_are_added_up() -> None:
    unknown = entry(7, pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value)
    assert held([entry(7, 5 * 2**30), entry(8, 2**30), entry(7, 2**20)], 7) == 5 * 2**30 + 2**20
    assert held([entry(8, 2**30)], 7) is None
    assert held([unknown], 7) is None
    assert held([unknown, entry(7, 3)], 7) == 3
    assert held([], 7) is None


def test_every_peak_by_name() -> None:
    used = Usage(1.0, 0.5, 10, 20, 30, None)
    names = ("rss", "vram", "vram_reserved", "device")
    assert used.memory() == dict(
        zip((f"peak_{name}_bytes" for name in names), (10, 20, 30, None), strict=True)
    )
