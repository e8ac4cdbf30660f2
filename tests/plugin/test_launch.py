"""`--launch ray` as a user runs it, in processes of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.project import Project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def suite(project: Project) -> Path:
    return project.suite("birds")


def session(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """A session of a user whose environment names no number of threads."""
    own = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    own |= {"PYTHONPATH": str(ROOT), "RAY_NUM_CPUS": "2"}
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider"]
    return subprocess.Popen(
        [*command, "--model", str(project.model), *arguments],
        cwd=project.path, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def results(report: Path) -> list[dict[str, object]]:
    """What a report says without costs, which differ from run to run."""
    found = json.loads((report / "RESULTS.json").read_text())["results"]
    return [{k: v for k, v in result.items() if k not in ("cost", "machine")} for result in found]


def test_a_suite_on_ray_reports_what_it_reports_here(project: Project, suite: Path) -> None:
    pytest.importorskip("ray", reason="python -m pip install 'lora-memory-harness[ray]'")
    shared = f"file://{project.path}/shared"
    on_ray = session(project, "suites/birds", "--launch", "ray", "--store", shared,
                     "--report", "ray")  # fmt: skip
    said = on_ray.communicate(timeout=500)[0]
    assert on_ray.returncode == 0, said
    assert re.search(r"\[\d+/\d+\] adapter birds-rank4\S* \(\d+ s on ", said), said
    cache = project.path / ".store-cache"
    assert {path.name for path in cache.glob("grades/*/*")} >= {"grades.jsonl", "manifest.json"}
    here = session(project, "suites/birds", "--report", "here", "--store", "own")
    assert here.wait(timeout=300) == 0
    assert results(project.path / "ray") == results(project.path / "here")


def test_ctrl_c_leaves_no_process_and_a_whole_store(project: Project, suite: Path) -> None:
    pytest.importorskip("ray", reason="python -m pip install 'lora-memory-harness[ray]'")
    text = (suite / "scenario.toml").read_text()
    (suite / "scenario.toml").write_text(text.replace("epochs = 1", "epochs = 50000"))
    running = session(project, "suites/birds", "--launch", "ray", "--store", "stopped")
    deadline = time.monotonic() + 300
    while not list((project.path / "stopped" / "tmp").glob("*/log.jsonl")):
        assert time.monotonic() < deadline
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.1)
    own = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=120)[0]
    (suite / "scenario.toml").write_text(text)
    assert running.returncode == 2, said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(own, timeout=30)
    assert alive == []
    assert not list((project.path / "stopped").glob("adapter/*"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--launch", "clouds"), "--launch 'clouds': give here, ray or ray=ADDRESS"),
        (("--launch", "ray", "-n", "2"), "leave -n out"),
        (("--launch", "ray=127.0.0.1:1"), "no Ray cluster at 127.0.0.1:1"),
    ],
)
def test_mistakes_are_one_line(
    project: Project, suite: Path, arguments: tuple[str, ...], line: str
) -> None:
    running = session(project, "suites/birds", *arguments, "--store", "mistaken")
    said = running.communicate(timeout=300)[0]
    assert running.returncode == 4, said
    assert said.count(line) == 1
    assert "Traceback" not in said


def test_a_session_imports_ray_and_fsspec_only_where_they_are_asked_for(
    project: Project, suite: Path
) -> None:
    code = (
        "import sys, pytest; pytest.main(sys.argv[1:]);"
        "print('imported', sorted({'ray', 'fsspec', 's3fs'} & set(sys.modules)))"
    )
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = ["-p", "harness.plugin", "suites/birds", "--plan", "--model", str(project.model)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=project.path, env=own,
                          text=True, capture_output=True, check=True)  # fmt: skip
    assert "imported []" in done.stdout
