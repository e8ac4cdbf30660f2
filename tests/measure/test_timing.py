"""Timings through pytest-benchmark, compared with a canary."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.measure import canary, timed


def test_a_ratio_to_the_canary_with_its_interval(benchmark: BenchmarkFixture) -> None:
    calls = []
    timed(benchmark, lambda: calls.append([canary(), canary(), canary()]), rounds=5)
    if benchmark.stats is None:
        pytest.skip("benchmarks are disabled")
    assert len(calls) == 6  # one is the warm-up
    estimate, low, high = benchmark.extra_info["canary_ratio"]
    assert low <= estimate <= high
    assert 1 < estimate < 9  # three canaries take three times one, up to noise
    assert benchmark.extra_info["canary_seconds"] > 0
    assert benchmark.extra_info["peak_rss_bytes"] > 2**20
    device = benchmark.extra_info["peak_device_bytes"]
    assert device is None or device > 0
