"""`store ls`, `verify` and `prune`."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli._common import age, size
from harness.cli._store import describe
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Dataset,
    Gguf,
    GgufAdapter,
    Grades,
    Probe,
    ProbeSet,
    Quantised,
    Sample,
    Stack,
    Training,
    plain,
)
from harness.store import Store, StoredArtefact
from tests.cli.conftest import Home


@pytest.fixture
def store(home: Home, tmp_path: Path) -> Store:
    """A copy of the session's store, unused for ten days."""
    found = Store.existing(shutil.copytree(home.store, tmp_path / "s"))
    for kept in found.artefacts():
        os.utime(kept.path, (time.time(), time.time() - 864000))
    return found


def trained(store: Store) -> StoredArtefact:
    """The adapter that did not diverge."""
    return next(k for k in store.artefacts() if k.manifest and k.manifest.facts["status"] == "ok")


def test_ls_says_what_it_is(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "ls", "--store", str(store.root)]) == 0
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if trained(store).path.name[:12] in line)
    assert line.startswith("adapter")
    assert "rank 8, alpha 16, lr 0.003, 2 epochs, seed 0" in line
    assert line.endswith("10 d")
    assert size(sum(k.manifest.bytes for k in store.artefacts() if k.manifest)) in said


def test_verify_counts_and_sets_aside(
    store: Store, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["store", "verify", "--store", str(store.root)]) == 0
    assert f"{len(store.artefacts())} whole, 0 damaged" in capsys.readouterr().out
    (trained(store).path / "adapter_config.json").write_text("{}")
    assert main(["store", "verify", "--store", str(store.root)]) == 1
    assert "1 damaged" in capsys.readouterr().out
    assert "is damaged (its files are not those that were built): set aside" in caplog.text
    main(["store", "ls", "--store", str(store.root)])
    assert "set aside as damaged, or left by builds: 1 folder" in capsys.readouterr().out
    assert main(["store", "prune", "--store", str(store.root)]) == 0
    assert "0 artefacts removed" in capsys.readouterr().out
    assert store.scraps() == []


def test_prune_says_what_would_go_and_then_it_goes(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    count, options = (
        len(store.artefacts()),
        [
            "store",
            "prune",
            "--store",
            str(store.root),
            "--older-than",
            "9",
        ],
    )
    assert main([*options, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would be removed" in said
    assert len(store.artefacts()) == count
    assert main(options) == 0
    assert capsys.readouterr().out == said.replace("would be removed", "removed")
    assert store.artefacts() == []


def test_prune_without_criteria_removes_no_whole_artefact(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    count = len(store.artefacts())
    assert main(["store", "prune", "--store", str(store.root)]) == 0
    assert "0 artefacts removed, 0 B freed" in capsys.readouterr().out
    assert len(store.artefacts()) == count


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["prune", "--kind", "adaptor"], "--kind adaptor: none is kept here, but adapter"),
        (["prune", "--older-than", "-1"], "--older-than is -1: it must be at least 0 days"),
        (["prune", "--older-than", "nan"], "--older-than is nan"),
        (["verify", "--store", "/nowhere"], "no store at /nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], options: list[str], line: str
) -> None:
    assert main(["store", options[0], "--store", str(store.root), *options[1:]]) == 2
    assert line in capsys.readouterr().err


def test_every_recipe_in_words() -> None:
    base, data = Base("b" * 64, "", ""), Dataset.of("d", (Sample("x"),))
    adapter = Adapter(base, data, Training(replay=2, lr=1e-3), data)
    probes = ProbeSet.of("p", (Probe("1", "exact", "f", "Who?", ("x",)),))
    stack = Stack(Quantised(base, Gguf("q4_0")), ((adapter, 0.5),))
    names = {base.content: "pocket", data.content: "facts", probes.content: "quiz"}
    setting = "rank 64, alpha 128, lr 0.001, 10 epochs, seed 0, replay 2"
    found = [
        describe(json.loads(json.dumps(plain(recipe))), names)
        for recipe in (
            adapter,
            GgufAdapter(adapter),
            stack.base,
            Answers(stack, probes),
            Grades(Answers(stack, probes)),
        )
    ]
    assert found == [
        f"facts on pocket, {setting}",
        f"for llama.cpp: facts on pocket, {setting}",
        "pocket (q4_0)",
        f"pocket (q4_0) + facts x 0.5, {setting}, asked on quiz",
        f"fuzzy-5: pocket (q4_0) + facts x 0.5, {setting}, asked on quiz",
    ]
    assert describe({"kind": "Adapter", "dataset": 3}, {}) == "of another version: Adapter"


def test_sizes_and_ages() -> None:
    assert [size(n) for n in (0, 1023, 2048, 5 << 20, 3 << 30)] == [
        "0 B",
        "1023 B",
        "2.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]
    assert [age(s) for s in (-1, 40, 600, 7300, 864000)] == ["0 s", "40 s", "10 min", "2 h", "10 d"]
