"""Declared bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DataError
from harness.report import Result
from harness.report.gates import broken, gates, model_of, without_cells
from harness.stats import Interval
from tests.report.conftest import unbuilt

SHARE = Interval(0.5, 0.4, 0.6)
RESULT = Result(unbuilt("c"), "s", "ok", {"exact": SHARE}, {}, SHARE, {}, SHARE, SHARE, {}, ())
TOML = """
[[gate]]
cells = "a-*"
least = { exact = 0.6 }
most = { locality = 0.4 }
[[gate]]
cells = "*"
least = { exact = 0.1 }
"""


def test_the_first_pattern_that_matches_counts(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(TOML)
    assert list(broken(gates(path, "a-rank8"), RESULT)) == [
        "exact is 0.50, declared at least 0.60",
        "locality is 0.50, declared at most 0.40",
    ]
    assert list(broken(gates(path, "b"), RESULT)) == []


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text("[[gate]")
    with pytest.raises(DataError, match="is not TOML"):
        gates(path, "a")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[gates]]\ncells = "*"', "gates is unknown: did you mean gate?"),
        ('[[gate]]\ncell = "*"', "gate 1, cell is unknown: did you mean cells?"),
        (
            '[[gate]]\ncells = "*"\nleest = { exact = 0.9 }',
            "gate 1, leest is unknown: did you mean least?",
        ),
        ('[[gate]]\ncells = "*"\nleast = { exact = "0.9" }', "gate 1, least, exact is '0.9': "),
        ('[[gate]]\ncells = "*"\n[[gate]]\nleast = {}', "gate 2, cells is missing: add it"),
        ("[[gate]]\ncells = 3", "gate 1, cells is 3: "),
    ],
)
def test_slip_in_the_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(DataError) as raised:
        gates(path, "a")
    assert line in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_model_that_the_gates_hold_for(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    assert model_of(path) == ""
    path.write_text(TOML)
    assert model_of(path) == ""
    path.write_text('model = "pocket"\n' + TOML)
    assert model_of(path) == "pocket"
    assert gates(path, "b")
    path.write_text("model = 3\n" + TOML)
    with pytest.raises(DataError, match="model is 3"):
        model_of(path)


def test_patterns_without_cells(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(TOML)
    assert without_cells(path, ["b-rank8"]) == ["a-*"]
