"""`pytest suites/engines --benchmark-only` as a user runs it: saved, and compared with what was
saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_saved_and_compared(model_folder: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        own = [
            "--model",
            str(model_folder),
            "--store",
            str(tmp_path / "store"),
            "-p",
            "no:cacheprovider",
        ]
        own += ["--benchmark-only", "--benchmark-storage", str(tmp_path / "kept"), *arguments]
        command = [sys.executable, "-m", "pytest", "suites/engines", *own]
        # a process of its own is no worker of xdist, in which benchmarks are off
        own_env = {key: value for key, value in os.environ.items() if "PYTEST_XDIST" not in key}
        done = subprocess.run(
            command, cwd=ROOT, env=own_env, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr

    status, said = run("--benchmark-save", "first")
    assert status == 0, said
    assert "2 passed" in said
    (file,) = (tmp_path / "kept").glob("*/*_first.json")
    saved = {each["name"]: each for each in json.loads(file.read_text())["benchmarks"]}
    assert set(saved) == {"test_answering[hf]", "test_swapping_adapters[hf]"}
    for each in saved.values():
        extra, stats = each["extra_info"], each["stats"]
        estimate, low, high = extra["canary_ratio"]
        assert 0 < low <= estimate <= high
        # A ratio of means beside a ratio of a mean to a median: alike, but for noise.
        assert 1 / 3 < estimate / (stats["mean"] / extra["canary_seconds"]) < 3
        assert 2**27 < extra["peak_rss_bytes"] < 2**34  # torch alone is beyond 128 MiB
    answering, swapping = saved["test_answering[hf]"], saved["test_swapping_adapters[hf]"]
    extra = answering["extra_info"]
    assert 32 < extra["tokens"] <= 32 * 16
    assert extra["tokens_per_second"] == pytest.approx(
        extra["tokens"] / answering["stats"]["median"], rel=1e-3
    )
    weights = [
        path.stat().st_size
        for path in (tmp_path / "store" / "adapter").glob("*/adapter_model.safetensors")
    ]
    assert len(weights) == 2
    assert swapping["extra_info"]["adapter_bytes"] == sum(weights) // 2
    assert swapping["stats"]["median"] < answering["stats"]["median"]
    status, said = run("--benchmark-compare", "-k", "swapping")
    assert status == 0, said
    assert "(NOW)" in said
    assert "0001_first" in said
