"""results.sqlite, read as others read it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.report import DATABASE, SCHEMA_VERSION, ScenarioReport, write

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "results.md"


@pytest.fixture
def database(small: ScenarioReport, folder: Path) -> Iterator[sqlite3.Connection]:
    write([small], folder)
    with closing(sqlite3.connect(folder / DATABASE)) as found:
        yield found


def test_every_answer_and_verdict_is_there(
    database: sqlite3.Connection, small: ScenarioReport
) -> None:
    told = database.execute(
        "SELECT cell, probe, prompt, accepted, answer, right, score FROM graded"
    ).fetchall()
    written = [
        (
            entry.result.id,
            line.id,
            line.prompt,
            line.accepted,
            line.answer,
            line.right,
            line.scores[0],
        )
        for entry in small.entries
        for line in entry.lines()
    ]
    assert sorted(
        (c, p, q, (*json.loads(ok),), a, bool(r), s) for c, p, q, ok, a, r, s in told
    ) == sorted(written)
    assert len(written) == 4 * 6


def test_figures_are_those_of_the_report(
    database: sqlite3.Connection, small: ScenarioReport
) -> None:
    for result in small.results:
        asked = (
            "SELECT name, sort, value, low, high FROM measures JOIN cells USING (cell) WHERE id = ?"
        )
        found = {name: own for name, *own in database.execute(asked, (result.id,))}
        assert {name: own[1] for name, own in found.items() if own[0] == "cost"} == result.cost
        assert {
            name: tuple(own[1:]) for name, own in found.items() if own[0] != "cost"
        } == result.shares()
    assert found["letters"][0] == "measure"


def test_cells_tell_what_they_were_made_with(
    database: sqlite3.Connection, small: ScenarioReport
) -> None:
    rows = database.execute(
        "SELECT id, rank, lr, bare, training, grades FROM cells ORDER BY cell"
    ).fetchall()
    assert [row[0] for row in rows] == [entry.result.id for entry in small.entries]
    assert rows[0][1:4] == (None, None, None)
    assert [row[1:4] for row in rows[1:]] == [(8, 0.01, 1), (4, 0.01, 1), (8, 0.0001, 1)]
    assert json.loads(rows[1][4])["batch"] == 2
    assert all(re.fullmatch("[0-9a-f]{24}", row[5]) for row in rows)


def test_version_and_integrity(database: sqlite3.Connection) -> None:
    assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert database.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (
        str(SCHEMA_VERSION),
    )
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_same_results_give_the_same_bytes(
    small: ScenarioReport, folder: Path, tmp_path: Path
) -> None:
    write([small], folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert DATABASE in first
    write([small], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_the_queries_of_the_docs_run(
    database: sqlite3.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = DOCS.read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", text, re.S)
    assert len(queries) >= 2
    for query in queries:
        assert database.execute(query.replace("'oscars'", "'small'")).fetchall(), query
    pandas = pytest.importorskip("pandas", reason="python -m pip install pandas")
    code = re.search(r"```python\n(.*?)```", text, re.S)
    assert code
    monkeypatch.chdir(folder)
    held: dict[str, object] = {}
    exec(code[1].replace("reports/", "").replace("'oscars'", "'small'"), held)
    frame = held["right"]
    assert isinstance(frame, pandas.DataFrame)
    assert "exact" in frame.columns
    assert len(frame) == 4


def test_a_schema_in_the_docs_that_is_the_one_written(database: sqlite3.Connection) -> None:
    text = DOCS.read_text(encoding="utf-8")
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        assert f"| `{table}` |" in text
        for _, column, *_ in database.execute(f"PRAGMA table_info({table})"):
            assert f"`{column}`" in text, f"{table}.{column} is not in the docs"
