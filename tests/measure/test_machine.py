"""The machine in words."""

from __future__ import annotations

import os
import platform

from harness import machine


def test_it_names_system_cores_and_python():
    said = machine.machine().split(", ")
    assert said[0] == f"{platform.system()} {platform.machine()}"
    assert said[1] == f"{os.cpu_count()} cores"
    assert said[2].split()[0] == str(machine.threads())
    assert said[-1] == f"python {platform.python_version()}"
    assert len(said) == 4 + len(set(machine._names()))


def test_gpus_of_one_kind_are_counted(monkeypatch):
    monkeypatch.setattr(machine, "_names", lambda: ["H100", "H100", "L4"])
    assert ", 2 H100, L4, " in machine.machine.__wrapped__()
