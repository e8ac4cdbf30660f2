"""Listing, verifying and pruning a store that other processes may use at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from harness.errors import StoreError
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Dataset,
    Gptq,
    Grades,
    Probe,
    ProbeSet,
    Quantised,
    Recipe,
    Sample,
    Stack,
    Training,
    digest,
)
from harness.store import Store, StoredArtefact, choose, needs

NOW = time.time()
DATA = Dataset.of("one", (Sample("Brendan Fraser won.\n"),))
BASE = Base("c" * 64, "base", "nowhere")
ADAPTER = Adapter(Quantised(BASE, Gptq(4, DATA)), DATA, Training(lr=3e-4))
ANSWERS = Answers(
    Stack(ADAPTER.base, ((ADAPTER, 1.0),)),
    ProbeSet.of("p", (Probe("1", "exact", "f", "Who?", ("Brendan Fraser",)),)),
)
GRADES = Grades(ANSWERS)
CHAIN: tuple[Recipe, ...] = (ADAPTER.base, ADAPTER, ANSWERS, GRADES)

HOLDER = """
import sys
from pathlib import Path
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def write(folder: Path) -> dict[str, Any]:
    (folder / "text").write_text("whole")
    return {}


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """Another process holds the lock of ``name``."""
    command = [sys.executable, "-c", HOLDER, str(root / "locks" / name)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdin
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An adapter on a GPTQ base, its answers and their grades, all unused for ten days."""
    store = Store(tmp_path / "s")
    parents = {ANSWERS: (digest(ADAPTER),), GRADES: (digest(ANSWERS),)}
    for recipe in CHAIN:
        aged(store.get(recipe, write, parents.get(recipe, ())).path, 10)
    return store


def aged(folder: Path, days: float) -> None:
    os.utime(folder, (NOW, NOW - days * 86400))


def kinds(artefacts: list[StoredArtefact]) -> list[str]:
    return [artefact.path.parent.name for artefact in artefacts]


def choice(
    store: Store, kinds: tuple[str, ...] = (), days: float = 0.0, children: bool = False
) -> Any:
    return choose(store.artefacts(), kinds, days, children, NOW)


def test_all_artefacts_are_listed_and_listing_is_no_use(store: Store) -> None:
    first = store.artefacts()
    assert kinds(first) == ["adapter", "answers", "grades", "quantised"]
    assert [artefact.manifest.kind for artefact in first if artefact.manifest] == [
        "Adapter",
        "Answers",
        "Grades",
        "Quantised",
    ]
    assert not any(map(store.verify, first))
    assert store.artefacts() == first


def test_peek_counts_as_a_use(store: Store) -> None:
    assert store.peek(GRADES)
    recent = [artefact for artefact in store.artefacts() if NOW - artefact.used < 3600]
    assert kinds(recent) == ["grades"]


def test_an_artefact_needs_all_recipes_inside_its_own(store: Store) -> None:
    needed = {
        artefact.path.parent.name: needs(artefact.manifest)
        for artefact in store.artefacts()
        if artefact.manifest
    }
    assert {digest(recipe) for recipe in CHAIN[:3]} <= needed["grades"]
    assert digest(ADAPTER.base) in needed["adapter"]  # its manifest names no parents
    assert not needed["quantised"] & {digest(recipe) for recipe in CHAIN}


@pytest.mark.parametrize("damage", ["change", "no manifest", "other version"])
def test_verify_sets_a_damaged_artefact_aside_even_if_this_process_built_it(
    store: Store, damage: str
) -> None:
    artefact = store.artefacts()[0]
    if damage == "change":
        (artefact.path / "text").write_text("wholE")
    elif damage == "no manifest":
        (artefact.path / "manifest.json").unlink()
    else:
        (artefact.path / "manifest.json").write_text('{"parents": [], "unknown": 1}')
    assert [bool(store.verify(artefact)) for artefact in store.artefacts()] == [
        True,
        False,
        False,
        False,
    ]
    assert kinds(store.artefacts()) == ["answers", "grades", "quantised"]
    assert [path.parent.name for path in store.scraps()] == ["aside"]


def test_a_locked_artefact_is_neither_verified_nor_removed(store: Store) -> None:
    artefact = store.artefacts()[0]
    with locked(store.root, artefact.path.name):
        with pytest.raises(Timeout):
            store.verify(artefact)
        assert not store.remove(artefact.path)
    assert store.remove(artefact.path)
    assert artefact.path not in [other.path for other in store.artefacts()]
    assert store.remove(artefact.path), "to remove it again is not a failure"


def test_a_removed_artefact_leaves_no_scraps_and_can_be_built_again(store: Store) -> None:
    assert all(store.remove(artefact.path) for artefact in store.artefacts())
    assert store.peek(ADAPTER) is None
    assert store.scraps() == []
    assert store.get(ADAPTER, write).path.is_dir()


def test_files_of_a_killed_build_are_removed_but_not_those_of_a_running_one(store: Store) -> None:
    leftover = store.root / "tmp" / f"{digest(DATA)}-abcd"
    leftover.mkdir()
    assert store.scraps() == [leftover]
    with locked(store.root, digest(DATA)):
        assert not store.remove(leftover)
    assert store.remove(leftover)
    assert store.scraps() == []


def test_parents_of_artefacts_that_stay_stay(store: Store) -> None:
    chosen = choice(store, ("adapter", "quantised"))
    assert (kinds(chosen.removed), kinds(chosen.needed)) == ([], ["adapter", "quantised"])


def test_artefacts_without_children_are_removed_alone(store: Store) -> None:
    chosen = choice(store, ("grades",))
    assert (kinds(chosen.removed), chosen.needed) == (["grades"], [])


def test_with_children_removes_all_descendants_first(store: Store) -> None:
    aged(store.artefacts()[2].path, 1)
    assert kinds(choice(store, ("adapter",), 5.0, children=True).removed) == [
        "grades",
        "answers",
        "adapter",
    ]
    assert kinds(choice(store, (), 5.0).removed) == []


def test_choice_by_age(store: Store) -> None:
    assert kinds(choice(store, (), 9.0).removed) == ["grades", "answers", "adapter", "quantised"]
    assert kinds(choice(store, (), 11.0).removed) == []


def test_an_artefact_in_use_stays_with_all_that_it_needs(store: Store) -> None:
    aged(store.artefacts()[1].path, 0)  # the answers
    chosen = choice(store, ())
    assert (kinds(chosen.removed), kinds(chosen.in_use)) == (["grades"], ["answers"])
    assert kinds(chosen.needed) == ["adapter", "quantised"]


def test_a_folder_that_is_no_store_is_refused_and_foreign_folders_are_not_listed(
    tmp_path: Path, store: Store
) -> None:
    with pytest.raises(StoreError, match="no store at"):
        Store.existing(tmp_path)
    assert not (tmp_path / "locks").exists()
    (store.root / "adapter" / "mine").mkdir()
    assert len(Store.existing(store.root).artefacts()) == 4
