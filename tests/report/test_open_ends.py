"""A figure whose interval the data leave open, such as a count that is the same everywhere, is
shown without one."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report import ScenarioReport, write
from harness.stats import cluster_bootstrap


@pytest.fixture(scope="module")
def written(small: ScenarioReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = cluster_bootstrap([3.0, 3.0], "ab", within=(0, math.inf))
    entries = [
        replace(e, result=e.result._replace(measures=e.result.measures | {"words": words}))
        for e in small.entries
    ]
    return write([small._replace(entries=entries)], tmp_path_factory.mktemp("open")).parent


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_json_has_null(written: Path) -> None:
    text = (written / "RESULTS.json").read_text(encoding="utf-8")
    for result in json.loads(text, parse_constant=refuse)["results"]:
        assert result["measures"]["words"] == {"estimate": 3.0, "low": None, "high": None}
        assert result["measures"]["letters"]["low"] is not None


def test_the_table_has_the_figure_alone(written: Path) -> None:
    head, _, *rows = (
        (written / "RESULTS.md").read_text(encoding="utf-8").partition("\n\n")[2].splitlines()[:4]
    )
    at = [cell.strip() for cell in head.split("|")].index("words")
    assert {row.split("|")[at].strip() for row in rows} == {"3.00"}


def test_the_page_has_the_figure_alone(written: Path) -> None:
    text = re.search(
        r'id="data"[^>]*>(.*?)</script>',
        (written / "RESULTS.html").read_text(encoding="utf-8"),
        re.S,
    )
    assert text is not None
    (scenario,) = json.loads(text[1], parse_constant=refuse)["scenarios"]
    assert {(*cell["figures"]["words"],) for cell in scenario["cells"]} == {(3.0,)}
    assert {len(cell["figures"]["letters"]) for cell in scenario["cells"]} == {3}


def test_the_database_has_null(written: Path) -> None:
    with closing(sqlite3.connect(written / "results.sqlite")) as database:
        found = database.execute(
            "SELECT DISTINCT value, low, high FROM measures WHERE name = 'words'"
        ).fetchall()
    assert found == [(3.0, None, None)]
