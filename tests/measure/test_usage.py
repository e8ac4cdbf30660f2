"""Seconds and memory of a block."""

from __future__ import annotations

import time
from typing import Any

import pynvml
import pytest

from harness.measure import Usage, measured
from harness.measure._usage import bytes_of, device_bytes


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


def test_the_cost_until_now_and_of_two_blocks() -> None:
    with measured() as meter:
        time.sleep(0.1)
        half = meter.so_far()
        time.sleep(0.1)
    assert 0.1 <= half.seconds < meter.usage.seconds
    both = meter.usage.after(half._replace(peak_rss_bytes=10**15, peak_device_bytes=7))
    assert both.seconds == half.seconds + meter.usage.seconds
    assert both.cpu_seconds == half.cpu_seconds + meter.usage.cpu_seconds
    assert both.peak_rss_bytes == 10**15
    assert both.peak_device_bytes is not None and both.peak_device_bytes >= 7


def test_a_block_that_raises_is_measured_too() -> None:
    with pytest.raises(KeyError), measured() as meter:
        raise KeyError
    assert meter.usage.seconds >= 0


def test_without_a_driver_device_bytes_is_none() -> None:
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
    """A process entry, as pynvml converts it from the driver's own struct."""
    struct = pynvml.c_nvmlProcessInfo_v3_t(pid=pid, usedGpuMemory=used)
    converted = pynvml.nvmlStructToFriendlyObject(struct)
    if used == pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value:
        converted.usedGpuMemory = None  # as nvmlDeviceGetComputeRunningProcesses does
    return converted


def test_entries_of_this_process_are_added_up() -> None:
    unknown = entry(7, pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value)
    assert bytes_of(7, [entry(7, 5 * 2**30), entry(8, 2**30), entry(7, 2**20)]) == 5 * 2**30 + 2**20
    assert bytes_of(7, [entry(8, 2**30)]) is None
    assert bytes_of(7, [unknown]) is None
    assert bytes_of(7, [unknown, entry(7, 3)]) == 3
    assert bytes_of(7, []) is None


def test_all_peaks_by_name() -> None:
    used = Usage(1.0, 0.5, 10, 20, 30, None)
    names = ("rss", "vram", "vram_reserved", "device")
    assert used.memory() == dict(
        zip((f"peak_{name}_bytes" for name in names), (10, 20, 30, None), strict=True)
    )
