"""`python -m harness compare`: two reports, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.builds import build
from harness.cli import main
from harness.data.knowledge import TableKnowledge
from harness.experiments import Design, Scenario, Setup
from harness.recipes import Base, Dataset, Probe, ProbeSet, Training
from harness.report import scenario_report, write
from harness.store import Store


def share(estimate: float, width: float = 0.05) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - width, "high": estimate + width}


def cell(
    name: str, recall: float, locality: float = 0.9, status: str = "ok", **more: Any
) -> dict[str, Any]:
    cost = {} if status == "base" else {"seconds": 12.0}
    shares = {"exact": share(recall), "rephrased": share(recall)}
    return {
        "id": name,
        "status": status,
        "recall": shares,
        "locality": share(locality),
        "cost": cost,
        **more,
    }


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., str]:
    """report(name, *cells) -> the folder of a RESULTS.json."""

    def write(name: str, *cells: dict[str, Any]) -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "RESULTS.json").write_text(
            json.dumps({"title": "t", "how": {}, "results": cells})
        )
        return str(tmp_path / name)

    return write


def test_differences_stars_and_cells_in_only_one(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a = report(
        "a",
        cell("m (no adapter)", 0.0, 1.0, "base"),
        cell("x", 0.5),
        cell("y", 0.5),
        cell("old", 0.1),
    )
    b = report(
        "b",
        cell("m (no adapter)", 0.0, 0.2, "base"),
        cell("x", 0.56),
        cell("y", 0.7, 0.8),
        cell("new", 0.1),
    )
    assert main(["compare", a, f"{b}/RESULTS.json"]) == 0
    said = capsys.readouterr().out
    rows = {line.split("|")[1].strip(): line for line in said.splitlines() if line.startswith("| ")}
    assert "0.56 (+0.06)" in rows["x"]
    assert "0.70 (+0.20*)" in rows["y"]
    assert "0.80 (-0.10)" in rows["y"]
    assert "0.20" not in rows["m (no adapter)"], "a bare model is as local as itself"
    assert f"only in {a}: old" in said
    assert f"only in {b}/RESULTS.json: new" in said


@pytest.mark.parametrize(("limit", "code"), [("0.1", 0), ("0.09", 1), ("0", 1)])
def test_fails_where_something_fell_by_more(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str], limit: str, code: int
) -> None:
    a, b = report("a", cell("x", 0.8), cell("y", 0.8)), report("b", cell("x", 0.7), cell("y", 0.9))
    assert main(["compare", a, b, "--fail-below", limit]) == code
    said = capsys.readouterr().out
    assert ("x: rephrased fell by 0.100, from 0.800 to 0.700" in said) == bool(code)
    assert "y:" not in said


def test_a_fall_of_locality_and_a_kind_that_is_gone_fail_too(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    gone = cell("y", 0.8)
    del gone["recall"]["rephrased"]
    a, b = report("a", cell("x", 0.8), cell("y", 0.8)), report("b", cell("x", 0.8, 0.5), gone)
    assert main(["compare", a, b, "--fail-below", "0.3"]) == 1
    said = capsys.readouterr().out
    assert "x: locality fell by 0.400" in said
    assert "y: rephrased fell by 0.800, from 0.800 to 0.000" in said


def test_nothing_in_common_is_no_pass(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = report("a", cell("x", 0.8)), report("b", cell("y", 0.8))
    assert main(["compare", a, b]) == 0
    assert main(["compare", a, b, "--fail-below", "0.5"]) == 2
    assert "no cell in common" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", '{"results": 3}', '{"results": [{"id": "x"}]}', "\x00", "NaN"]
)
def test_what_is_no_report_is_one_line(
    report: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "bad.json").write_text(text)
    assert main(["compare", report("a", cell("x", 0.8)), str(tmp_path / "bad.json")]) == 2
    said = capsys.readouterr().err
    assert "bad.json is no RESULTS.json" in said
    assert said.count("\n") == 1


def test_a_share_that_is_no_number_is_refused_and_not_passed(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = report("a", cell("x", 0.8)), report("b", cell("x", float("nan")))
    assert main(["compare", a, b, "--fail-below", "0.1"]) == 2
    assert "not a number" in capsys.readouterr().err


def test_it_reads_what_the_report_writes(
    tiny: Base, lie: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("exact", "rephrased", "locality_far")
    asked = ProbeSet.of(
        "moon", tuple(Probe(k, k, "moon", "The colour of the moon is", ("green",)) for k in kinds)
    )
    design = Design(lie, Training(epochs=1), asked)
    own = design.cell(Setup(tiny, 0, TableKnowledge(taught=False)))
    scenario = Scenario("lie", "A lie", grids={"default": lambda setup: [design]})
    fetch = partial(build, store=Store(tmp_path / "store"))
    write([scenario_report(scenario, [own], "default", fetch)], tmp_path)
    assert main(["compare", str(tmp_path), str(tmp_path / "RESULTS.json")]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "(+0.00)" in line]
    assert [row.split("|")[1].strip() for row in rows] == ["tiny (no adapter)", own.id]
    assert [row.count("(+0.00)") for row in rows] == [2, 3], "a bare model has no locality"
