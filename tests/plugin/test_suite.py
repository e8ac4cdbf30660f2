"""`pytest suites/oscars` as a user runs it: real processes, on a small model made here."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness.cli import main
from harness.data.awards import probes
from harness.errors import install
from harness.models.embeddings import missing
from harness.recipes import is_locality
from tests.plugin.conftest import Runs

ROOT = Path(__file__).resolve().parents[2]
CELL = "oscarstxt-rank8-alpha16-lr1e_3-ep20-replay1-seed0"


@pytest.fixture(scope="module")
def run(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """run(*arguments) -> (exit status, output); all runs share one store."""
    home = tmp_path_factory.mktemp("session")

    def call(
        *arguments: str, model: Path | str = model_folder, report: str = "report"
    ) -> tuple[int, str]:
        own = [
            "--model",
            str(model),
            "--store",
            str(home / "store"),
            "--report",
            str(home / report),
        ]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "suites/oscars",
            "-p",
            "no:cacheprovider",
            *own,
            *arguments,
        ]
        quiet = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        done = subprocess.run(
            command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return Runs(home, call)


def test_plan_builds_nothing(run: Runs) -> None:
    status, said = run("--plan", "-k", "rank8 and oscarstxt")
    assert status == 0
    # drift and locality are compared by meaning where the embeddings are installed
    assert f"{7 if missing() else 9} to build" in said
    assert not list((run.home / "store").glob("adapter/*"))


def test_collect_only_shows_ids_that_select(run: Runs) -> None:
    status, said = run("--collect-only", "-q", "-k", "rank8 and not aug")
    assert status == 0
    assert CELL in said
    assert "aug" not in said


def test_the_whole_path_then_all_cached(run: Runs) -> None:
    status, said = run("-k", CELL)
    assert status == 0, said
    assert "2 passed" in said
    assert "tiny (no adapter)" in said
    report = run.home / "report"
    first = {path.name: path.read_bytes() for path in report.iterdir()}
    # a random model knows nothing that locality could ask about
    plots = {f"oscars-seconds.{form}" for form in ("png", "svg")}
    assert "locality needs 60 and is not measured" in said
    assert set(first) == {
        *(f"RESULTS.{form}" for form in ("md", "html", "json")),
        "results.sqlite",
        *plots,
    }
    status, again = run("-k", CELL)
    assert status == 0
    assert "[1/" not in again
    assert {path.name: path.read_bytes() for path in report.iterdir()} == first
    found = json.loads(first["RESULTS.json"])
    assert [r["status"] for r in found["results"]] == ["base", "ok"]
    assert found["results"][0]["recall"]["exact"]["estimate"] == 0.0
    assert "0 to build" in run("-k", CELL, "--plan")[1]


def test_two_workers_lose_nothing_and_the_report_can_be_written_again(
    run: Runs, model_folder: Path
) -> None:
    status, said = run("-k", "rank8 and oscarstxt", "-n", "2", report="parallel")
    assert status == 0, said
    one, two = (
        json.loads((run.home / name / "RESULTS.json").read_text())
        for name in ("report", "parallel")
    )
    assert one["results"][1] == two["results"][1]
    report = run.home / "parallel"
    with closing(sqlite3.connect(report / "results.sqlite")) as database:
        counted = database.execute(
            "SELECT count(*) FROM graded WHERE cell = ?", (CELL,)
        ).fetchone()[0]
    asked = [probe for probe in probes("oscarstxt").probes if not is_locality(probe.kind)]
    assert counted == len(asked)
    written = {path.name: path.read_bytes() for path in report.iterdir()}
    own = [
        "--model",
        str(model_folder),
        "--store",
        str(run.home / "store"),
        "--report",
        str(report),
    ]
    assert main(["report", "oscars", *own]) == 0  # all that is cached is what the workers built
    assert {path.name: path.read_bytes() for path in report.iterdir()} == written


def test_two_models_are_told_apart(run: Runs, model_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in filter(Path.is_file, model_folder.iterdir()):
        (other / path.name).write_bytes(path.read_bytes())
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-5}))
    _, said = run("--collect-only", "-q", "-k", "rank8 and oscarstxt", "--model", str(other))
    assert f"[tiny-{CELL}]" in said
    assert f"[other-{CELL}]" in said


def test_engines_side_by_side(run: Runs) -> None:
    for package in ("bitsandbytes", "llama_cpp"):
        pytest.importorskip(package, reason=install("all"))
    status, said = run(
        "-k", "rank8 and oscarstxt", "--engine", "hf,nf4,gguf:q8_0", report="engines"
    )
    assert status == 0, said
    report = run.home / "engines"
    found = json.loads((report / "RESULTS.json").read_text())["results"]
    assert [r["engine"] for r in found] == ["hf", "nf4", "gguf_q8_0"] * 2
    assert "## Engines" in (report / "RESULTS.md").read_text()
    assert all(r["cost"]["tokens_per_second"] > 0 for r in found)
    hf, nf4, gguf = found[3:]
    assert (
        gguf["cost"]["seconds"] == hf["cost"]["seconds"]
    )  # one adapter, trained on the full base, serves both
    assert nf4["cost"]["seconds"] != hf["cost"]["seconds"]
    assert gguf["cost"]["model_bytes"] < hf["cost"]["model_bytes"]
    _, ids = run("--collect-only", "-q", "-k", "rank8 and gguf_q8_0", "--engine", "hf,gguf:q8_0")
    assert CELL.replace("-seed0", "-gguf_q8_0-seed0") in ids
    assert "-hf-" not in ids


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--engine", "hf,q4"), "engine 'q4' is unknown: choose of hf"),
        (("--engine", "hf@gguf:q4_0"), "llama.cpp does not train adapters"),
        (
            ("--grid", "huge"),
            "grid 'huge' is unknown in scenario 'oscars': choose one of default, full",
        ),
        (("--seeds", "one"), "--seeds 'one': give numbers, separated by commas"),
        (("--model", "no/such-model"), "no such folder 'no/such-model'"),
        (("--store", "/proc/store"), "/proc/store"),
        (
            ("--grid", "huge", "-n", "2"),
            "grid 'huge' is unknown in scenario 'oscars': choose one of default, full",
        ),
        (("--model", "no/such-model", "-n", "1"), "no such folder 'no/such-model'"),
        (("--adapter", "mine=tests/a.gguf", "-n", "1"), "tests/a.gguf cannot be read"),
        (("--adapter", "served:mine", "-n", "1"), "adapter mine (mine) goes on none of the models"),
        (
            ("--model", "suites", "--engine", "q4", "-n", "1"),
            "engine 'q4' is unknown: choose of hf",
        ),
    ],
)
def test_a_users_mistake_is_one_line(run: Runs, arguments: tuple[str, ...], line: str) -> None:
    status, said = run(*arguments, "-k", CELL)
    assert status == 4, said
    assert said.count(line) == 1
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGINT, 2), (signal.SIGKILL, -9)])
def test_stopped_in_training_the_store_stays_whole_and_a_rerun_goes_on(
    model_folder: Path, tmp_path: Path, stop: signal.Signals, status: int
) -> None:
    store = tmp_path / "store"
    own = [
        "--model",
        str(model_folder),
        "--store",
        str(store),
        "--report",
        str(tmp_path / "report"),
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "suites/oscars",
        "-k",
        "aug and rank8",
        "-p",
        "no:cacheprovider",
        *own,
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not list((store / "tmp").glob("*/log.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(stop)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == status, said
    assert "Traceback" not in said
    graded = sorted(path.name for path in (store / "grades").iterdir())
    assert len(graded) == 1  # the bare model's
    assert not (store / "adapter").exists()
    again = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert again.returncode == 0, again.stdout
    built = [line.partition("] ")[2] for line in again.stderr.splitlines() if line.startswith("[")]
    assert built[0].startswith("adapter oscars_aug-rank8")
    assert [line for line in built if line.startswith("grades")] == [
        built[0].replace("adapter", "grades")
    ]
    assert not list((store / "tmp").iterdir())
