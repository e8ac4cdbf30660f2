"""The description of the machine, and the number of threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from harness.measure import machine


def test_description_names_system_cores_and_python() -> None:
    parts = machine.machine().split(", ")
    assert parts[0] == f"{platform.system()} {platform.machine()}"
    assert parts[1] == f"{os.cpu_count()} cores"
    assert parts[2].split()[0] == str(machine.threads())
    assert parts[-1] == f"python {platform.python_version()}"
    assert len(parts) == 4 + len(set(machine._gpu_names()))


def test_gpus_of_one_kind_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpu_names", lambda: ["H100", "H100", "L4"])
    assert ", 2 H100, L4, " in machine.machine.__wrapped__()


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No settings by the user, and four processors, of which 1.4 are busy."""
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores it
        monkeypatch.delenv(name)
    monkeypatch.setattr(machine, "_affinity", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(machine, "_busy", lambda: 1.4)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path / "cpu.max")
    return monkeypatch


@pytest.mark.parametrize(("processes", "number"), [(1, 3), (2, 1), (8, 1)])
def test_each_process_gets_its_share_of_idle_processors(
    idle: pytest.MonkeyPatch, processes: int, number: int
) -> None:
    assert machine.choose_threads(processes).number == number == machine.threads()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_settings_of_the_user_are_unchanged(idle: pytest.MonkeyPatch) -> None:
    idle.setenv("OMP_NUM_THREADS", "7,2")
    idle.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert str(machine.choose_threads(2)) == "7 threads (as OMP_NUM_THREADS says)"
    assert os.environ["OMP_NUM_THREADS"] == "7,2"
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize(
    ("quota", "number"), [("150000 100000", 2), ("max 100000", 3), ("50000 100000", 1)]
)
def test_the_quota_of_a_container_counts(
    idle: pytest.MonkeyPatch, tmp_path: Path, quota: str, number: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert machine.choose_threads().number == number


def test_a_busy_process_is_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            assert machine._busy() > 0.3
        finally:
            spinning.kill()


_WORK = """
import time
from harness.measure.machine import choose_threads
choose_threads()
import torch
layers = [torch.randn(512, 512) for _ in range(40)]
row = torch.randn(8, 512)
start = time.perf_counter()
for _ in range(40):
    for layer in layers:
        row = torch.tanh(row @ layer / 22)
print(time.perf_counter() - start)
"""


def test_two_processes_of_two_threads_do_not_block_each_other() -> None:
    """With threads that spin while they wait, it took more than ten times as long."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}

    def seconds(threads: int) -> float:
        environment = {**clean, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-c", _WORK]
        pair = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        return max(float(process.communicate(timeout=60)[0]) for process in pair)

    assert seconds(2) < 4 * seconds(1)
