"""`python -m harness compare`: two reports, cell by cell."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.builds import build
from harness.cli import main
from harness.data.knowledge import TableKnowledge
from harness.experiments import Design, Scenario, Setup
from harness.recipes import Base, Dataset, Probe, ProbeSet, Training
from harness.report import DATABASE, scenario_report, write
from harness.report._database import SCHEMA
from harness.store import Store

FACTS = 40
KINDS = ("exact", "rephrased", "locality_far")


def share(estimate: float, width: float = 0.05) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - width, "high": estimate + width}


def cell(name: str, recall: float, locality: float = 0.9, status: str = "ok") -> dict[str, Any]:
    return {
        "id": name,
        "status": status,
        "recall": {"exact": share(recall), "rephrased": share(recall)},
        "locality": share(locality),
        "cost": {} if status == "base" else {"seconds": 12.0},
    }


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., str]:
    """report(name, *cells) -> the folder of a RESULTS.json and its results.sqlite."""

    def write(name: str, *cells: dict[str, Any], facts: int = FACTS) -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "RESULTS.json").write_text(
            json.dumps({"title": "t", "how": {}, "results": cells})
        )
        with closing(sqlite3.connect(tmp_path / name / DATABASE)) as database:
            _fill(database, cells, facts)
        return str(tmp_path / name)

    return write


def _fill(database: sqlite3.Connection, cells: Sequence[dict[str, Any]], facts: int) -> None:
    """Verdicts that have the shares of ``cells``: the first facts are the right ones."""
    database.executescript(SCHEMA)
    questions = [(kind, fact) for kind in KINDS for fact in range(facts)]
    for kind, fact in questions:
        database.execute(
            "INSERT INTO probes (scenario, id, kind, fact, prompt, accepted)"
            " VALUES ('', ?, ?, ?, 'Who?', '[\"new\"]')",
            (f"{kind}/{fact}", kind, str(fact)),
        )
    _add(database, {"id": "bare", "status": "base"}, None, [(False, "old")] * len(questions))
    for each in cells:
        answers = []
        for kind, fact in questions:
            if kind in KINDS[:2]:
                right = fact < each["recall"].get(kind, share(0))["estimate"] * facts
                answers.append((right, "new" if right else "wrong"))
            else:
                same = fact < each["locality"]["estimate"] * facts
                answers.append((False, "old" if same else "wrong"))
        _add(database, each, None if each["status"] == "base" else 1, answers)
    database.commit()


def _add(
    database: sqlite3.Connection,
    cell: dict[str, Any],
    bare: int | None,
    answers: Sequence[tuple[bool, str]],
) -> None:
    number = database.execute(
        "INSERT INTO cells (scenario, id, status, bare, model, model_content, engine, decoding,"
        " grader, grades) VALUES ('', ?, ?, ?, 'm', '0', 'hf', '{}', 'fuzzy', '0')",
        (cell["id"], cell["status"], bare),
    ).lastrowid
    database.executemany(
        "INSERT INTO answers VALUES (?, ?, 0, ?, ?, 100, NULL)",
        [(number, probe, text, right) for probe, (right, text) in enumerate(answers, 1)],
    )


def rows_of(text: str) -> dict[str, str]:
    return {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}


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
        cell("x", 0.55),
        cell("y", 0.9, 0.8),
        cell("new", 0.1),
    )
    assert main(["compare", a, f"{b}/RESULTS.json"]) == 0
    text = capsys.readouterr().out
    rows = rows_of(text)
    assert "0.55 (+0.05)" in rows["x"]
    assert "0.90 (+0.40*)" in rows["y"]
    assert "0.80 (-0.10)" in rows["y"]
    assert "0.20" not in rows["m (no adapter)"], "a bare model is as local as itself"
    assert "*: differs, by a paired test" in text
    assert f"only in {a}: old" in text
    assert f"only in {b}/RESULTS.json: new" in text


def test_a_star_needs_more_facts_in_a_larger_table(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight facts of forty are lost: p is 1/128 before the correction."""
    for count, starred in ((1, True), (10, False)):
        names = [f"c{n}" for n in range(count)]
        a = report(f"a{count}", *(cell(name, 0.5, 1.0) for name in names))
        b = report(
            f"b{count}", cell("c0", 0.5, 32 / 40), *(cell(name, 0.5, 1.0) for name in names[1:])
        )
        assert main(["compare", a, b]) == 0
        assert ("0.80 (-0.20*)" in rows_of(capsys.readouterr().out)["c0"]) is starred


@pytest.mark.parametrize(("limit", "code"), [("0.6", 0), ("0.1", 1), ("0", 1)])
def test_fails_where_something_fell_by_more(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str], limit: str, code: int
) -> None:
    a, b = report("a", cell("x", 0.8), cell("y", 0.8)), report("b", cell("x", 0.3), cell("y", 0.9))
    assert main(["compare", a, b, "--fail-below", limit]) == code
    text = capsys.readouterr().out
    assert ("x: rephrased fell from 0.800 to 0.300 (-0.500 [" in text) == bool(code)
    assert "y:" not in text
    assert ("no recall or locality is shown to fall by more than" in text) != bool(code)


def test_a_fall_that_chance_explains_does_not_fail(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = report("a", cell("x", 0.8)), report("b", cell("x", 0.75))
    assert main(["compare", a, b, "--fail-below", "0"]) == 0
    assert "0.75 (-0.05)" in capsys.readouterr().out


def test_a_fall_of_locality_and_a_kind_that_is_gone_fail_too(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    gone = cell("y", 0.8)
    del gone["recall"]["rephrased"]
    a, b = report("a", cell("x", 0.8), cell("y", 0.8)), report("b", cell("x", 0.8, 0.2), gone)
    assert main(["compare", a, b, "--fail-below", "0.3"]) == 1
    text = capsys.readouterr().out
    assert "x: locality fell from 0.900 to 0.200" in text
    assert "y: rephrased is gone" in text


def test_a_training_that_diverged_fails(report: Callable[..., str]) -> None:
    a, b = report("a", cell("x", 0.8)), report("b", cell("x", 0.8, status="diverged"))
    assert main(["compare", a, b, "--fail-below", "0.3"]) == 1


def test_too_few_facts_are_no_pass(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = report("a", cell("x", 1.0), facts=3), report("b", cell("x", 0.0), facts=3)
    assert main(["compare", a, b, "--fail-below", "0"]) == 2
    text = capsys.readouterr()
    assert "x: too few facts to show a loss: recall 3 (needs 6)" in text.out
    assert "no cell has enough facts to show a loss" in text.err


def test_without_verdicts_a_line_says_what_to_give(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = report("a", cell("x", 0.1)), report("b", cell("x", 0.9))
    (Path(b) / DATABASE).unlink()
    assert main(["compare", a, b]) == 0
    text = capsys.readouterr().out
    assert "0.90 (+0.80)" in text
    assert f"not tested: {b}/{DATABASE} is missing" in text
    assert main(["compare", a, b, "--fail-below", "0.5"]) == 2
    text = capsys.readouterr().err
    assert "keep it beside RESULTS.json" in text
    assert text.count("\n") == 1
    (Path(b) / DATABASE).write_text("no database, but long enough to be looked at" * 99)
    assert main(["compare", a, b, "--fail-below", "0.5"]) == 2
    assert f"{DATABASE} cannot be read (file is not a database)" in capsys.readouterr().err


def test_a_cell_without_verdicts_is_named(
    report: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = report("a", cell("x", 0.8), cell("y", 0.8)), report("b", cell("x", 0.8), cell("y", 0.8))
    with closing(sqlite3.connect(Path(b) / DATABASE)) as database:
        database.execute("DELETE FROM cells WHERE id = 'y'")
        database.commit()
    assert main(["compare", a, b]) == 0
    assert (
        "have no verdicts in common on exact, rephrased, locality of y: write both"
        in capsys.readouterr().out
    )
    assert main(["compare", a, b, "--fail-below", "0.5"]) == 2


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
    assert "bad.json is not a RESULTS.json" in said
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
    own = design.cell(Setup(tiny, 0, TableKnowledge("another model")))
    scenario = Scenario("lie", "A lie", grids={"default": lambda setup: [design]})
    fetch = partial(build, store=Store(tmp_path / "store"))
    write([scenario_report(scenario, [own], "default", fetch)], tmp_path)
    assert main(["compare", str(tmp_path), str(tmp_path / "RESULTS.json")]) == 0
    text = capsys.readouterr().out
    assert "not tested" not in text
    rows = [line for line in text.splitlines() if "(+0.00)" in line]
    assert [row.split("|")[1].strip() for row in rows] == ["tiny (no adapter)", own.id]
    assert [row.count("(+0.00)") for row in rows] == [2, 3], "a bare model has no locality"
