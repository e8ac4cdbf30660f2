"""`pytest suites/engines --benchmark-only` as a user runs it: saved, and compared with what was
saved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr

    status, said = run("--benchmark-save", "first")
    assert status == 0, said
    assert "2 passed" in said
    (file,) = (tmp_path / "kept").glob("*/*_first.json")
    kept = {each["name"]: each["extra_info"] for each in json.loads(file.read_text())["benchmarks"]}
    assert set(kept) == {"test_answering[hf]", "test_swapping_adapters[hf]"}
    for extra in kept.values():
        estimate, low, high = extra["canary_ratio"]
        assert 0 < low <= estimate <= high
        assert extra["peak_rss_bytes"] > 0
    assert kept["test_answering[hf]"]["tokens_per_second"] > 0
    assert kept["test_swapping_adapters[hf]"]["adapter_bytes"] > 0
    status, said = run("--benchmark-compare", "-k", "swapping")
    assert status == 0, said
    assert "(NOW)" in said
    assert "0001_first" in said
