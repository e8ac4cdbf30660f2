"""`--shard I/N` as the jobs of a cluster run it: apart from each other, on one store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.project import Project


@pytest.fixture(scope="module")
def suite(project: Project) -> Path:
    folder = project.suite("birds")
    text = (folder / "scenario.toml").read_text()
    (folder / "scenario.toml").write_text(text.replace("rank = [4, 8]", "rank = [2, 4, 8]"))
    return folder


def cells(report: Path) -> list[str]:
    results = json.loads((report / "RESULTS.json").read_text())["results"]
    return [result["id"] for result in results if result["status"] != "base"]


def test_shards_together_run_every_cell_once(project: Project, suite: Path) -> None:
    planned = [project.pytest("suites/birds", "--plan", "--shard", f"{i}/2") for i in (1, 2)]
    divisions = {re.search(r"division (\w+)", said)[1] for said in planned}  # type: ignore[index]
    assert len(divisions) == 1
    assert all(re.search(r"shard [12]/2: [12] of 3 cells", said) for said in planned)
    reports = [project.path / f"report{i}" for i in (1, 2)]
    for i, report in enumerate(reports, 1):
        # the second starts with a store that has other artefacts, and must choose alike
        said = project.pytest("suites/birds", "--shard", f"{i}/2", "--report", str(report))
        assert divisions == {re.search(r"division (\w+)", said)[1]}  # type: ignore[index]
    one, two = map(cells, reports)
    assert len(one) + len(two) == len({*one, *two}) == 3
    whole = project.pytest("suites/birds", "--report", str(project.path / "whole"))
    assert "[1/" not in whole  # the shards have built all of it
    assert sorted(cells(project.path / "whole")) == sorted([*one, *two])


def test_more_shards_than_cells_leave_some_without_work(project: Project, suite: Path) -> None:
    said = project.pytest("suites/birds", "--plan", "--shard", "9/9")
    assert "shard 9/9: 0 of 3 cells" in said
    project.pytest("suites/birds", "--shard", "9/9")  # a job of a cluster that succeeds


def test_mistakes_are_one_line(project: Project, suite: Path) -> None:
    assert "give I/N with I from 1 to N" in project.pytest("suites", "--shard", "3/2", status=4)
    said = project.pytest("suites", "--shard", "1/2", "--save-baseline", "x", status=4)
    assert "a baseline holds all cells" in said


def test_the_command_line_shows_a_shard_of_a_plan(project: Project, suite: Path) -> None:
    own = ["plan", "birds", "--model", str(project.model)]
    said = [project.harness(*own, "--shard", f"{i}/3") for i in (1, 2, 3)]
    assert [re.findall(r"1 of 3 cells", text) for text in said] == [["1 of 3 cells"]] * 3
