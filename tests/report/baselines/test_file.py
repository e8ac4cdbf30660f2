"""A baseline's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError, StoreError
from harness.report.baselines import Baseline, BaselineCell, load, save

CELLS = {
    "a": BaselineCell("ok", {"q1": True, "q2": False}, {"seconds": 1.5}),
    "b": BaselineCell("diverged", {"q1": False, "q3": True}, {}),
}
MADE = Baseline("main", "oscars", "pocket", "ab" * 32, "Linux", {"torch": "2.13"}, CELLS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "baselines" / "main.json"
    save(MADE, made)
    return made


def test_comes_back_as_it_was(path: Path) -> None:
    assert load(path, "oscars") == MADE
    first = path.read_bytes()
    save(load(path, "oscars"), path)
    assert path.read_bytes() == first


def test_an_unknown_name_names_those_that_are(path: Path) -> None:
    with pytest.raises(DataError, match=r"baseline 'other' is unknown .* \(there: main\)"):
        load(path.with_name("other.json"), "oscars")


def test_another_scenario_is_refused(path: Path) -> None:
    with pytest.raises(DataError, match="is of the scenario oscars, not of presets"):
        load(path, "presets")


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda v: v["cells"]["a"].update(right="1"), "cells, a, right has 1 verdicts on 2 probes"),
        (
            lambda v: v["cells"]["a"].update(right="1x"),
            "cells, a, right is '1x': string should match",
        ),
        (lambda v: v["cells"]["a"].update(right=11), "cells, a, right is 11: input should be a "),
        (lambda v: v["cells"]["a"].update(probes="no"), "cells, a, probes is 'no': it is none of "),
        (lambda v: v["cells"]["a"].update(state="ok"), "cells, a, state is unknown: .* status?"),
        (
            lambda v: v["cells"]["a"].update(status="fine"),
            "cells, a, status is 'fine': input should",
        ),
        (
            lambda v: v["cells"]["a"].update(cost={"seconds": "1"}),
            "cells, a, cost, seconds is '1': ",
        ),
        (lambda v: v["model"].pop("content"), "model, content is missing: add it"),
        (lambda v: v.pop("probes"), "probes is missing"),
        (lambda v: v["cells"].update(a=[]), r"cells, a is \[\]: input should be"),
        (lambda v: v.update(format=9), "has format 9, known is 1"),
    ],
)
def test_damage_is_one_line(path: Path, damage: Callable[..., Any], line: str) -> None:
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=line) as found:
        load(path, "oscars")
    assert "\n" not in str(found.value)
    assert str(path) in str(found.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", '{"format": 1, "scenario": "osc'])
def test_half_a_file_is_damaged(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(DataError, match="is damaged"):
        load(path, "oscars")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        save(MADE, tmp_path / "file" / "main.json")
