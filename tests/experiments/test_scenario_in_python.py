"""docs/how-to/scenario-in-python.md does what it says: its files are written, its commands run."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DataError, RecipeError
from harness.experiments import Design, Scenario
from harness.experiments.selection import Selection, cells, find, load, shipped
from harness.recipes import Base, Dataset, Probe, ProbeSet, Training
from tests.project import Project

BASE = Base("0", "pocket", "/m")
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/scenario-in-python.md").read_text(encoding="utf-8")
Writer = Callable[..., Path]
BLOCK = re.compile(r"(?:<!-- file (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """write(text, name) -> a folder of this name with this ``scenario.py``."""

    def write(text: str, name: str = "rivers") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "scenario.py").write_text(text)
        return folder

    return write


def test_a_folder_is_loaded_by_its_path(write: Writer) -> None:
    (text,) = (text for file, _, text in BLOCK.findall(PAGE) if file.endswith("scenario.py"))
    folder = write(text)
    scenario = load(folder)
    assert scenario.name == "rivers"
    assert load(folder) is scenario


def test_modules_beside_it_can_be_imported(write: Writer) -> None:
    folder = write("from . import texts\nSCENARIO = texts.SCENARIO\n")
    (folder / "texts.py").write_text(
        "from harness.experiments import Scenario\nSCENARIO = Scenario('rivers', 'R', grids={})\n"
    )
    assert load(folder).title == "R"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\n", "has no SCENARIO: write SCENARIO = Scenario"),
        ("x = 1\ny = 1 / 0\n", "scenario.py, line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "scenario.py"),
    ],
)
def test_a_scenario_that_fails_is_one_line(write: Writer, text: str, line: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(write(text))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scenario_and_folder_have_one_name(write: Writer) -> None:
    text = "from harness.experiments import Scenario\nSCENARIO = Scenario('a', 'A', grids={})\n"
    with pytest.raises(DataError, match="is called 'a', its folder 'rivers'"):
        load(write(text))


def test_every_suite_that_comes_along_is_loaded_in_the_same_way() -> None:
    for name, folder in shipped().items():
        scenario = load(folder)
        assert scenario.name == name
        assert "default" in scenario.grids
    with pytest.raises(RecipeError, match="scenario 'rivets' is unknown: choose one of bias, book"):
        find("rivets", ROOT / "suites")


@pytest.mark.parametrize("name", shipped())
def test_ids_of_every_grid_are_unique_and_plain(name: str) -> None:
    scenario = load(shipped()[name])
    for grid in scenario.grids:
        ids = [cell.id for cell in cells(scenario, Selection((BASE,), grid, (0, 1)))]
        assert len(ids) == len(set(ids)) > 0
        assert all(re.fullmatch(r"[\w-]+", each) for each in ids)


def test_two_designs_of_one_id_are_refused(lie: Dataset) -> None:
    probes = ProbeSet.of("asked", (Probe("0", "rephrased", "f", "Who?", ("Ann",)),))
    design = Design(lie, Training(), probes)
    twice = Scenario("twice", "Twice", {"default": lambda setup: [design, design]})
    with pytest.raises(RecipeError, match="two cells have the id lie-rank"):
        cells(twice, Selection((BASE,)))
    labelled = [replace(design, label=label) for label in ("a", "b")]
    two = Scenario("two", "Two", {"default": lambda setup: labelled})
    first, second = cells(two, Selection((BASE,)))
    assert first.id == second.id.replace("lie-b-", "lie-a-")


def test_the_page_runs(project: Project) -> None:
    ran: dict[str, str] = {}
    for file, language, text in BLOCK.findall(PAGE):
        if file:
            path = project.path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif language == "bash":
            for line in text.splitlines():
                command = shlex.split(line)
                ran[line] = (
                    project.pytest(*command[1:])
                    if command[0] == "pytest"
                    else project.harness(*command[3:])
                )
    assert "rivers1-rank64" in ran["python -m harness plan suites/rivers"]
    assert "rivers1-rank64" not in ran["pytest suites/rivers -k rivers3"]
    assert "Wordings: 1 wordings: " in ran["pytest suites/rivers"]
    with sqlite3.connect(project.path / "reports/results.sqlite") as database:
        rows = database.execute("SELECT factors FROM cells WHERE factors IS NOT NULL").fetchall()
    assert [row[0] for row in rows] == ['{"wordings": 1}', '{"wordings": 3}']
