"""`python -m harness` as a shell sees it: exit codes, streams, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.store import Store
from tests.cli.conftest import Home

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "harness"]


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False, env=own
    )


def test_help_names_every_command_and_loads_no_torch() -> None:
    done = run("--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    for command in (
        "plan",
        "train",
        "answer",
        "grade",
        "judge",
        "report",
        "compare",
        "tune",
        "store",
        "model",
    ):
        assert f"\n    {command} " in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "transformers", "scipy"}


def test_exit_codes_and_streams(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "question,accepted,answer,cell\nWho?,Zürich,Zürich,größer\n", encoding="utf-8"
    )
    graded = run("grade", str(tmp_path / "a.csv"), PYTHONIOENCODING="ascii")
    assert (graded.returncode, graded.stderr) == (0, "")
    assert "gr\\xf6\\xdfer" in graded.stdout
    mistaken = run("grade", str(tmp_path / "b.csv"))
    assert (mistaken.returncode, mistaken.stdout, mistaken.stderr.count("\n")) == (2, "", 1)
    assert run("grade").returncode == 2
    assert run().returncode == 2


def test_a_pipe_that_closes_is_no_traceback(home: Home) -> None:
    list_all = f"{' '.join(COMMAND)} store ls --store {home.store}"
    done = subprocess.run(
        ["bash", "-c", f"{list_all} | true; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 141, done.stderr
    assert done.stderr == ""


def test_ctrl_c_in_training_is_130_in_one_line_and_the_store_stays_whole(
    home: Home, tmp_path: Path
) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    own = ["train", str(home.text), "--model", home.model, "--store", str(store), "--out", str(out)]
    long = ["--set", "rank=8", "alpha=16", "epochs=100000"]
    with subprocess.Popen(
        [*COMMAND, *own, *long], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 90
        while not list((store / "tmp").glob("*/log.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "stopped"
    assert "Traceback" not in said
    assert not out.exists()
    assert (Store.existing(store).artefacts(), Store.existing(store).scraps()) == ([], [])


def test_the_shell_completes() -> None:
    pytest.importorskip("argcomplete", reason="python -m pip install argcomplete")
    line = "harness store "
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_IFS": "\n",
    }
    read, write = os.pipe()
    code = f"import os; os.dup2({write}, 8); from harness.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **asked}, pass_fds=[write]
    ):
        os.close(write)
        with os.fdopen(read) as stream:
            assert {"ls", "verify", "prune"} <= set(stream.read().split())
