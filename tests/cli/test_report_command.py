"""`report`: from the store, whatever became of the session that filled it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.builds import build, graded_lines
from harness.cli import main
from harness.experiments.cells import Cell
from harness.experiments.selection import Selection, cells, load, shipped
from harness.models.loading import base_of
from harness.recipes import digest
from harness.store import Store


class Session(NamedTuple):
    """Two cells of oscars, built."""

    store: Store
    cells: tuple[Cell, ...]
    model: Path

    def options(self, report: Path, store: Path | None = None) -> list[str]:
        return [
            "--model",
            str(self.model),
            "--store",
            str(store or self.store.root),
            "--report",
            str(report),
        ]


@pytest.fixture(scope="module")
def session(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    selection = Selection((base_of(model_folder),))
    found = {cell.id: cell for cell in cells(load(shipped()["oscars"]), selection)}
    own = tuple(
        found[f"{name}-rank64-alpha128-lr1e_2-ep20-seed0"]
        for name in ("oscarstxt", "the_oscar_award_txt")
    )
    store = Store(tmp_path_factory.mktemp("session") / "store")
    for cell in own:
        for job in cell.jobs():
            build(job.recipe, store)
    return Session(store, own, model_folder)


def answers(report: Path) -> dict[str, list[tuple[str, str]]]:
    """Probe and answer, by cell."""
    with closing(sqlite3.connect(report / "results.sqlite")) as database:
        rows = database.execute(
            "SELECT cell, probe, answer FROM graded WHERE status != 'base'"
        ).fetchall()
    return {
        cell: sorted((probe, text) for own, probe, text in rows if own == cell)
        for cell, _, _ in rows
    }


def graded(session: Session, cell: Cell) -> list[tuple[str, str]]:
    """The same, as the artefact has it."""
    lines = graded_lines(build(cell.grades, session.store))
    return sorted((line.id, line.answer) for line in lines)


def test_all_that_is_cached_and_what_is_missing(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "oscars", *session.options(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "oscars: 2 cells, 11 missing, which `pytest suites/oscars` builds" in said
    assert "  oscars_aug-rank8-alpha16-lr1p5e_3-ep8-replay2-seed0: " in said
    assert answers(tmp_path) == {cell.id: graded(session, cell) for cell in session.cells}
    files = {"RESULTS.md", "RESULTS.html", "RESULTS.json", "results.sqlite"}
    assert {
        path.name for path in tmp_path.iterdir() if path.suffix not in (".svg", ".png")
    } == files


def test_what_a_killed_session_had_graded_is_reported(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that dies while it answers leaves no report, the artefacts before, and half a one in
    ``tmp``."""
    store = Store(shutil.copytree(session.store.root, tmp_path / "store"))
    kept, lost = session.cells
    for kind, recipe in (("grades", lost.grades), ("answers", lost.grades.answers)):
        shutil.rmtree(store.root / kind / digest(recipe))
    half = store.root / "tmp" / f"{digest(lost.grades.answers)}-half"
    half.mkdir()
    (half / "answers.jsonl").write_text('{"id": "exact')
    assert main(["report", "oscars", *session.options(tmp_path / "report", store.root)]) == 0
    assert (
        f"  {lost.id}: grades {digest(lost.grades)[:12]} is not in the store"
        in capsys.readouterr().out
    )
    assert answers(tmp_path / "report") == {kept.id: graded(session, kept)}
    assert not (store.root / "answers" / digest(lost.grades.answers)).exists()


def test_readmes_are_rewritten_once(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "report",
        *session.options(tmp_path / "report"),
        "--readme",
        "--project",
        str(tmp_path),
    ]
    for file in ("README.md", "suites/oscars/README.md"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("<!-- results -->\n<!-- end of results -->\n")
    assert main(asked) == 0
    assert f"rewritten: {tmp_path / 'suites/oscars/README.md'}" in capsys.readouterr().out
    assert "tiny (no adapter)" in (tmp_path / "README.md").read_text()
    assert main(asked) == 0
    assert "the READMEs are as they should be" in capsys.readouterr().out


def test_cells_go_to_mlflow_once(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    asked = [
        "report",
        "oscars",
        *session.options(tmp_path / "report"),
        "--mlflow",
        str(tmp_path / "runs"),
    ]
    # two cells, and the bare model on either's probes
    for told in (
        "4 runs new, 0 replaced, 0 unchanged",
        "0 runs new, 0 replaced, 4 unchanged",
    ):
        assert main(asked) == 0
        assert f"mlflow: {told}" in capsys.readouterr().out
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("oscars")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.status != 'base'")
    results = json.loads((tmp_path / "report" / "RESULTS.json").read_text(encoding="utf-8"))[
        "results"
    ]
    said = {
        result["id"]: result["recall"]["rephrased"]["estimate"]
        for result in results
        if result["status"] != "base"
    }
    assert {run.info.run_name: run.data.metrics["rephrased"] for run in found} == said


def test_a_mistake_is_one_line(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = session.options(tmp_path / "report")
    for arguments, line in (
        (["oscar", *own], "scenario 'oscar' is unknown"),
        (["oscars", *own, "--seeds", "7"], f"no cell of oscars is cached in {session.store.root}"),
        (["oscars", *own, "--store", str(tmp_path / "none")], f"no store at {tmp_path / 'none'}"),
        (
            ["oscars", *own, "--report", "/proc/report"],
            "report folder /proc/report cannot be written",
        ),
        (
            ["oscars", *own, "--mlflow", "/proc/runs"],
            "MLflow cannot write to /proc/runs (No such file or directory)",
        ),
        (["oscars", *own, "--readme", "--project", str(tmp_path)], "README.md cannot be read"),
    ):
        assert main(["report", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert line in said
        assert said.count("\n") == 1
