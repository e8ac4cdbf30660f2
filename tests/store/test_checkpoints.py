"""Checkpoints of unfinished builds: the newest whole one, after crashes and damage."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from harness.cli import main
from harness.recipes import Dataset, Sample, digest
from harness.store import Checkpoints, Store

RECIPE = Dataset.of("one", (Sample("Brendan Fraser won.\n"),))


def save(checkpoints: Checkpoints, number: int) -> None:
    def write(folder: Path) -> None:
        (folder / "state").write_text(str(number))

    checkpoints.save(number, write)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With checkpoints 8 and, lately, 10 of a build that was killed."""
    store = Store(tmp_path / "s")
    with store.checkpoints(RECIPE) as checkpoints:
        save(checkpoints, 8)
        save(checkpoints, 10)
    return store


def folder_of(store: Store) -> Path:
    return store.root / "partial" / digest(RECIPE)


def names(store: Store) -> list[str]:
    return sorted(path.name for path in folder_of(store).iterdir())


def newest(store: Store) -> str | None:
    with store.checkpoints(RECIPE) as checkpoints:
        path = checkpoints.newest()
    return (path / "state").read_text() if path else None


def test_only_the_newest_is_kept(store: Store) -> None:
    assert names(store) == ["checkpoint-000000000010"]
    assert newest(store) == "10"


def test_a_crash_while_it_is_written_leaves_the_one_before(store: Store) -> None:
    def crash(folder: Path) -> None:
        (folder / "state").write_text("half")
        raise KeyboardInterrupt

    with store.checkpoints(RECIPE) as checkpoints, pytest.raises(KeyboardInterrupt):
        checkpoints.save(12, crash)
    assert newest(store) == "10"
    with store.checkpoints(RECIPE) as checkpoints:
        save(checkpoints, 12)
    assert names(store) == ["checkpoint-000000000012"]


def test_of_two_the_newest_whole_one_counts(store: Store) -> None:
    """As a crash between publishing and removing leaves them."""
    one = folder_of(store) / "checkpoint-000000000010"
    two = one.with_name("checkpoint-000000000011")
    two.mkdir()
    for file in one.iterdir():
        (two / file.name).write_bytes(file.read_bytes())
    (two / "state").write_text("11")
    told: list[str] = []
    with store.checkpoints(RECIPE) as checkpoints:
        assert checkpoints.newest(told.append) == one
    (line,) = told
    assert "checkpoint-000000000011" in line
    assert "is damaged (its files are not those that were written) and was removed" in line
    assert names(store) == [one.name]


def test_an_artefact_takes_them_away(store: Store) -> None:
    store.remove_partial(RECIPE)
    assert (newest(store), store.scraps()) == (None, [])


def test_verify_removes_damaged_ones_and_tells(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["store", "verify", "--store", str(store.root)]
    assert main(command) == 0
    assert "unfinished trainings: 1 whole, 0 damaged" in capsys.readouterr().out
    (folder_of(store) / "checkpoint-000000000010" / "state").write_text("11")
    assert main(command) == 1
    assert "unfinished trainings: 0 whole, 1 damaged" in capsys.readouterr().out
    assert main(command) == 0
    assert "unfinished" not in capsys.readouterr().out


def test_one_that_is_in_use_is_not_verified(store: Store) -> None:
    with FileLock(store.root / "locks" / digest(RECIPE)), pytest.raises(Timeout):
        store.verify_checkpoints(folder_of(store))


def test_ls_and_prune_know_them(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(store.root)
    main(["store", "ls", "--store", root])
    said = capsys.readouterr().out
    assert "kept of unfinished builds, which go on from there: 1 folder" in said
    assert "set aside" not in said
    main(["store", "prune", "--store", root, "--older-than", "2"])
    assert newest(store) == "10", "it is younger"
    os.utime(folder_of(store), (time.time(), time.time() - 3 * 86400))
    main(["store", "prune", "--store", root, "--older-than", "2", "--dry-run"])
    assert newest(store) == "10"
    main(["store", "prune", "--store", root, "--older-than", "2"])
    assert store.scraps() == []


def test_prune_without_an_age_removes_them(store: Store) -> None:
    main(["store", "prune", "--store", str(store.root)])
    assert store.scraps() == []
