"""A suite of the user's own, in a project that has nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project

CELLS = [f"birds-rank{rank}-alpha{2 * rank}-lr1e_3-ep1-seed0" for rank in (4, 8)]


@pytest.fixture(scope="module")
def birds(project: Project) -> Path:
    return project.suite("birds")


@pytest.fixture
def elsewhere(birds: Path, tmp_path: Path) -> Path:
    """A copy outside the project."""
    return shutil.copytree(birds, tmp_path / "birds", ignore=shutil.ignore_patterns("__pycache__"))


def results(folder: Path) -> Any:
    return json.loads((folder / "RESULTS.json").read_text())


def test_it_runs_and_reports(project: Project, birds: Path) -> None:
    assert len((birds / "test_birds.py").read_text().splitlines()) < 20
    said = project.pytest("suites/birds", "-rs")
    assert "4 skipped" in said  # the gate and the baseline of each cell
    assert "no gate is declared" in said
    found = results(project.path / "reports")
    assert [r["id"] for r in found["results"]] == ["tiny (no adapter)", *CELLS]
    assert set(found["results"][1]["recall"]) == {"exact", "rephrased", "other_format"}
    assert found["results"][1]["locality"]["estimate"] in (0.0, 1.0)
    assert found["scenarios"][0]["title"] == "Birds"
    assert "# Birds" in (project.path / "reports" / "RESULTS.md").read_text()


def test_trainings_write_event_files_under_the_names_of_their_cells(
    project: Project, birds: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboardX", reason="python -m pip install tensorboardX")
    live, store = tmp_path / "live", tmp_path / "store"
    own = ["--live", str(live), "--store", str(store), "--gradient-checkpointing"]
    project.pytest("suites/birds", "-k", "rank4 and answers", *own)
    assert [path.name for path in live.glob("*/*/events.*")] == [
        path.name for path in (live / "birds" / CELLS[0]).iterdir()
    ]
    (manifest,) = (store / "adapter").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["facts"]["gradient_checkpointing"]


def test_plan_and_command_line_know_it(project: Project, birds: Path) -> None:
    assert "suites/birds/test_birds.py" in project.pytest("--collect-only", "-q", "-k", "rank4")
    assert ", 0 cached" in project.pytest("suites/birds", "--plan", "--store", "empty")
    assert CELLS[0] in project.harness("plan", "birds", "--model", str(project.model))
    project.pytest("suites/birds")
    assert "birds: 2 cells, none missing" in project.harness(
        "report", "--model", str(project.model)
    )


def test_a_suite_elsewhere_on_two_workers(
    project: Project, birds: Path, elsewhere: Path, tmp_path: Path
) -> None:
    project.pytest("suites/birds", "--report", "here")
    said = project.pytest(
        str(elsewhere), "-n", "2", "--save-baseline", "main", "--report", str(tmp_path / "report")
    )
    assert results(tmp_path / "report")["results"] != []
    assert [r["id"] for r in results(tmp_path / "report")["results"]] == [
        "tiny (no adapter)",
        *CELLS,
    ], said
    assert (elsewhere / "baselines" / "main.json").is_file()
    assert "cells compared 2, worse none" in project.pytest(str(elsewhere), "--baseline", "main")


@pytest.mark.parametrize("spread", [("-n", "2"), ("-x",)])
def test_a_baseline_is_not_replaced_by_one_that_lacks_a_cell(
    project: Project, elsewhere: Path, spread: tuple[str, ...]
) -> None:
    """Built when its turn comes, a cell that cannot be is an error of its tests, and the others go
    on."""
    project.pytest(str(elsewhere), "--save-baseline", "main")
    kept = elsewhere / "baselines" / "main.json"
    before, settings = kept.read_bytes(), elsewhere / "scenario.toml"
    settings.write_text(settings.read_text().replace("[4, 8]", "[4, 800]"))
    said = project.pytest(str(elsewhere), "--save-baseline", "main", *spread, status=1)
    lost = (
        f"nothing was measured of {CELLS[1].replace('rank8-alpha16', 'rank800-alpha1600')}: correct"
        " that"
    )
    why = (
        "the session ended before its last test (stopping after 1 failures)"
        if spread == ("-x",)
        else lost
    )
    assert f"no baseline main is saved, as {why}" in said
    assert "another exception occurred" not in said
    assert kept.read_bytes() == before
    said = project.pytest(str(elsewhere), "--save-baseline", "main", "-k", "rank4", *spread)
    assert (
        "baseline main of tiny saved in" in said
    )  # what is skipped is not missed, nor what is not selected


def test_the_plugin_comes_by_its_entry_point_and_once(
    project: Project, birds: Path, elsewhere: Path, installed: dict[str, str]
) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--plan",
        "--model",
        str(project.model),
    ]
    for more in ([], ["-p", "harness.plugin"]):
        done = subprocess.run(
            [*command, *more, str(elsewhere)], cwd=elsewhere, env=installed, capture_output=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert b"to build" in done.stdout


def test_gates_of_ones_own_hold_for_any_model(project: Project, elsewhere: Path) -> None:
    (elsewhere / "gates.toml").write_text(
        '[[gate]]\ncells = "*-rank4-*"\nleast = { exact = 0.5 }\n'
    )
    said = project.pytest(str(elsewhere), status=1)
    assert "exact is 0.00, declared at least 0.50" in said
    assert "1 failed" in said


def test_gate_without_cells_fails(project: Project, elsewhere: Path) -> None:
    (elsewhere / "gates.toml").write_text('[[gate]]\ncells = "*-rank5-*"\nleast = { exact = 0 }\n')
    printed = project.pytest(str(elsewhere), status=1)
    assert "gates.toml: cells = '*-rank5-*' matches no cell: correct the pattern" in printed


def test_gate_of_another_engine_is_no_slip(project: Project, elsewhere: Path) -> None:
    (elsewhere / "gates.toml").write_text(
        '[[gate]]\ncells = "*-gptq4-*"\nleast = { exact = 1 }\n[[gate]]\ncells = "*-rank4-*"\nleast'
        " = { exact = 0 }\n"
    )
    project.pytest(str(elsewhere))


def test_slip_in_gates_is_one_line(project: Project, elsewhere: Path) -> None:
    (elsewhere / "gates.toml").write_text('[[gate]]\ncells = "*"\nleest = { exact = 0.5 }\n')
    printed = project.pytest(str(elsewhere), status=1)
    assert "gates.toml: gate 1, leest is unknown: did you mean least?" in printed


def test_bound_that_is_no_number_is_one_line(project: Project, elsewhere: Path) -> None:
    (elsewhere / "gates.toml").write_text('[[gate]]\ncells = "*"\nleast = { exact = nan }\n')
    printed = project.pytest(str(elsewhere), status=1)
    assert "gates.toml: gate 1, least, exact is nan: input should be a finite number" in printed


def test_test_file_without_scenario_is_one_line(project: Project, elsewhere: Path) -> None:
    (elsewhere / "test_birds.py").write_text("from harness.plugin.checks import *\n")
    said = project.pytest(str(elsewhere), status=4)
    assert "test_birds.py has no SCENARIO: write SCENARIO =" in said
    assert "fixture" not in said


def test_plan_without_selected_cells_names_the_selection(project: Project, elsewhere: Path) -> None:
    said = project.pytest(str(elsewhere), "--plan", "-k", "nosuch", status=4)
    assert "--plan found no cells: 'nosuch' selects none" in said


@pytest.mark.parametrize("spread", [(), ("-n", "2")])
def test_a_mistake_in_a_file_is_one_line(
    project: Project, elsewhere: Path, spread: tuple[str, ...]
) -> None:
    (elsewhere / "facts.csv").write_text("question,anwser\nWho?,I\n")
    said = project.pytest(str(elsewhere), *spread, status=4)
    assert "INTERNALERROR" not in said
    assert (
        said.count("facts.csv, line 1: has no column 'answer', but 'anwser': rename it to answer")
        == 1
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["birds"], "suites/birds is there already: give another name"),
        (["oscars"], "name 'oscars' is that of a suite of the harness"),
        (["my birds"], "name 'my birds': begin with a letter"),
        (["bats", "--from", "no.csv"], "no.csv cannot be read"),
        (["bats", "--from", "bats.pdf"], "suffix '.pdf' is unknown"),
        (
            ["bats", "--from", "bats.csv"],
            "error: bats.csv, line 3: 'who?' stands in line 2 already",
        ),
    ],
)
def test_new_suite_says_what_is_wrong(
    project: Project, birds: Path, arguments: list[str], line: str
) -> None:
    (project.path / "bats.csv").write_text("question,answer\nWho?,I\nwho?,you\n")
    said = project.harness("new-suite", *arguments, status=2)
    assert line in said
    assert said.count("\n") == 1
    assert not (project.path / "suites" / "bats").exists()


def test_new_suite_from_a_text(project: Project) -> None:
    (project.path / "talk.txt").write_text("Joe: I found a goose.\nBrandine: Call it Wendeline.\n")
    said = project.harness("new-suite", "goose", "--from", "talk.txt", "--title", 'A "goose"')
    assert "next: pytest suites/goose --plan" in said
    folder = project.path / "suites" / "goose"
    assert "probes.csv has no rows: write at least one below the header" in project.pytest(
        str(folder), status=4
    )
    with (folder / "probes.csv").open("a") as stream:
        stream.write("What was the goose called?,Wendeline,\n")
    assert "goose-rank64" in project.pytest(str(folder), "--plan")
