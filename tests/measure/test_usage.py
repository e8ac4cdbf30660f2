"""What a block cost."""

from __future__ import annotations

import time

import pytest

from harness.measure import measured


def test_seconds_and_memory_of_a_block():
    with measured() as meter:
        block = bytearray(200 * 2**20)
        time.sleep(0.2)
    before = meter.usage.peak_rss_bytes
    assert len(block) and 0.2 <= meter.usage.seconds < 2
    del block
    with measured() as later:
        pass
    assert later.usage.peak_rss_bytes < before - 150 * 2**20


def test_a_block_that_raises_is_measured_too():
    with pytest.raises(KeyError), measured() as meter:
        raise KeyError
    assert meter.usage.seconds >= 0
