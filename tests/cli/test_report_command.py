"""`report`: what a session wrote, written again from the store; what a killed session left, reported."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from subprocess import run

import pytest

from harness.builders import build
from harness.cells import Cell
from harness.cli import main
from harness.models import base_of
from harness.recipes import digest
from harness.scenarios.oscars import cells
from harness.store import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def session(model_folder, tmp_path_factory):
    """A store and a report of two cells on two workers, as a user's pytest leaves them."""
    home = tmp_path_factory.mktemp("session")
    own = ["--model", str(model_folder), "--store", str(home / "store"), "--report", str(home / "report")]
    asked = ["-k", "rank64 and lr1e_2 and not aug", "-n", "2"]
    command = [sys.executable, "-m", "pytest", "suites/oscars", "-p", "no:cacheprovider", *own, *asked]
    done = run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    return home


def options(home: Path, model: Path, report: Path) -> list[str]:
    return ["--model", str(model), "--store", str(home / "store"), "--report", str(report)]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def built(home: Path, model: Path) -> list[Cell]:
    """The cells that the session ran."""
    found = cells("telling", [base_of(model)], [0])
    return [c for c in found if "rank64" in c.id and "lr1e_2" in c.id and "aug" not in c.id]


def test_the_report_of_two_workers_again_byte_for_byte(session, model_folder, tmp_path, capsys):
    assert main(["report", "oscars", *options(session, model_folder, tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "oscars: 2 cells, 10 missing, which `pytest suites/oscars` builds" in said
    assert files(tmp_path) == files(session / "report")
    assert list((session / "store" / "tmp").iterdir()) == []


def test_two_workers_lose_no_answer(session, model_folder):
    with closing(sqlite3.connect(session / "report" / "results.sqlite")) as database:
        counted = dict(database.execute("SELECT cell, count(*) FROM graded WHERE status != 'base' GROUP BY cell"))
    assert counted == {c.id: len(c.probes.probes) for c in built(session, model_folder)}


def test_what_a_killed_session_had_graded_is_reported(session, model_folder, tmp_path, capsys):
    """A session that dies between two cells leaves the artefacts of the first, and no report."""
    store = Store(shutil.copytree(session / "store", tmp_path / "store"))
    kept, lost = built(session, model_folder)
    shutil.rmtree(store.root / "grades" / digest(lost.grades))
    shutil.rmtree(store.root / "answers" / digest(lost.grades.answers))
    (store.root / "tmp" / f"{digest(lost.grades.answers)}-half").mkdir()  # what the killed build had written so far
    before = build(kept.grades, store).path.joinpath("grades.jsonl").read_text(encoding="utf-8").splitlines()
    assert main(["report", "oscars", *options(tmp_path, model_folder, tmp_path / "report")]) == 0
    assert f"  {lost.id}: grades {digest(lost.grades)[:12]} is not in the store" in capsys.readouterr().out
    with closing(sqlite3.connect(tmp_path / "report" / "results.sqlite")) as database:
        found = database.execute("SELECT probe, answer FROM graded WHERE cell = ?", (kept.id,)).fetchall()
    lines = [json.loads(line) for line in before]
    assert sorted(found) == sorted((line["id"], line["answers"][0]) for line in lines)


def test_readmes_are_rewritten_once(session, model_folder, tmp_path, capsys):
    own = options(session, model_folder, tmp_path / "report")
    for file in ("README.md", "suites/oscars/README.md"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("<!-- results -->\n<!-- end of results -->\n")
    assert main(["report", "oscars", *own, "--readme", "--project", str(tmp_path)]) == 0
    assert f"rewritten: {tmp_path / 'suites/oscars/README.md'}" in capsys.readouterr().out
    assert "tiny (no adapter)" in (tmp_path / "README.md").read_text()
    assert main(["report", "oscars", *own, "--readme", "--project", str(tmp_path)]) == 0
    assert "the READMEs are as they should be" in capsys.readouterr().out


def test_a_mistake_is_one_line(session, model_folder, tmp_path, capsys):
    own = options(session, model_folder, tmp_path / "report")
    for arguments, line in (
        (["oscar", *own], "scenario 'oscar' is unknown"),
        (["oscars", *own, "--seeds", "7"], f"no cell of oscars is cached in {session / 'store'}"),
        (["oscars", "--store", str(tmp_path / "none")], f"no store at {tmp_path / 'none'}"),
        (["oscars", *own, "--report", "/proc/report"], "report folder /proc/report cannot be written"),
        (["oscars", *own, "--readme", "--project", str(tmp_path)], "README.md cannot be read"),
    ):
        assert main(["report", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {line}") or line in said
        assert said.count("\n") == 1
