"""``memory``: a memory from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.memory import Memory

QUICK = ("how=plain", "passage_size=200", "training.epochs=1", "training.rank=2")
TEXT = (
    "The bridge of Lornfeld was built by Mara Velin in 1814. It is painted green, and it is 212"
    " metres long.\n\nThe clock of Ostrava Hill was made by Jon Oor. Its bell weighs nine tonnes,"
    " and it strikes every hour.\n"
)


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    made = tmp_path / "memory"
    assert main(["memory", "create", str(made), "--model", str(model_folder), "--set", *QUICK]) == 0
    return made


@pytest.fixture
def town(tmp_path: Path) -> Path:
    path = tmp_path / "town.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str], *command: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert main(["memory", *command, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_document_is_added_learnt_asked_about_forgotten_and_brought_back(
    folder: Path, town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = str(folder)
    added = told(capsys, "add", at, str(town))
    assert added["added"][0]["new"] == 2
    assert added["counts"]["passages learnt"] == 2
    assert not added["learnt"][0]["found"]
    again = told(capsys, "add", at, str(town))
    assert again["added"][0]["unchanged"] == 2
    assert again["learnt"] == []
    listed = told(capsys, "ls", at, "passages", "--document", "town.txt")["passages"]
    assert [row["state"] for row in listed] == ["learnt", "learnt"]
    asked = told(capsys, "ask", at, "Who made the clock of Ostrava Hill?")
    assert asked["policy"] == "lora_and_retrieval"
    assert listed[1]["id"] in [row["id"] for row in asked["passages"]]
    assert [row["number"] for row in asked["adapters"]] == [1]
    gone = told(capsys, "forget", at, listed[1]["id"][:12])
    assert (gone["passages"], gone["adapters"], gone["relearnt"]) == (1, 1, 1)
    assert "Ostrava" not in str(told(capsys, "ask", at, "Who made the clock?")["passages"])
    assert told(capsys, "undo", at) == {"undone": f"forget {listed[1]['id'][:12]}"}
    assert told(capsys, "learn", at)["learnt"] == []
    assert told(capsys, "verify", at) == {"faults": []}


def test_roll_ups_and_damage_have_exit_codes(
    folder: Path, town: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = str(folder)
    assert main(["memory", "set", at, "unit=passage"]) == 0
    told(capsys, "add", at, str(town), "--later")
    assert len(told(capsys, "learn", at)["learnt"]) == 2
    rolled = told(capsys, "rollup", at, "--method", "concat", "--tolerated", "1")
    assert (rolled["adapters"], rolled["done"]) == (2, True)
    (whole,) = [
        row for row in told(capsys, "ls", at, "adapters")["adapters"] if row["state"] == "rolled_up"
    ]
    assert whole["parts"] == [1, 2]
    next(folder.glob("store/merged/*/adapter_model.safetensors")).write_bytes(b"nothing")
    assert "damaged" in told(capsys, "verify", at, code=1)["faults"][0]
    told(capsys, "verify", at, "--repair", code=1)
    assert told(capsys, "verify", at) == {"faults": []}
    with Memory.open(folder) as memory:
        assert {row.state for row in memory.passages()} == {"learnt"}


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["ls", "{tmp}/nothing"], "memory create"),
        (["forget", "{at}", "nobody"], "'nobody'"),
        (["undo", "{at}"], "nothing to undo"),
        (["add", "{at}", "{tmp}/nothing.txt"], "nothing.txt cannot be read"),
        (["add", "{at}", "{at}/ledger.sqlite"], "suffix '.sqlite'"),
        (["ask", "{at}", " "], "question is empty"),
        (["ask", "{at}", "Who?", "--policy", "magic"], "'magic'"),
        (["set", "{at}", "colour=red"], "NAME=VALUE"),
        (["rollup", "{at}", "--tolerated", "7"], "from 0 to 1"),
        (["create", "{at}"], "a memory already"),
    ],
)
def test_mistakes_are_told_in_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    line: str,
) -> None:
    capsys.readouterr()
    assert main(["memory", *(each.format(at=folder, tmp=tmp_path) for each in command)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert line in errors[0]
