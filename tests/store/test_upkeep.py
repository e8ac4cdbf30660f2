"""Listing, verifying and pruning a store, beside whoever else is at it."""

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
def held(root: Path, name: str) -> Iterator[None]:
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


def kinds(kept: list[StoredArtefact]) -> list[str]:
    return [one.path.parent.name for one in kept]


def choice(
    store: Store, kinds: tuple[str, ...] = (), days: float = 0.0, children: bool = False
) -> Any:
    return choose(store.artefacts(), kinds, days, children, NOW)


def test_everything_kept_is_listed_and_looking_is_no_use(store):
    first = store.artefacts()
    assert kinds(first) == ["adapter", "answers", "grades", "quantised"]
    assert [one.manifest.kind for one in first] == ["Adapter", "Answers", "Grades", "Quantised"]
    assert not any(map(store.verify, first))
    assert store.artefacts() == first


def test_asking_for_an_artefact_is_a_use(store):
    assert store.peek(GRADES)
    assert [one.path.parent.name for one in store.artefacts() if NOW - one.used < 3600] == [
        "grades"
    ]


def test_a_recipe_needs_all_that_is_within_it_named_as_parent_or_not(store):
    found = {one.path.parent.name: needs(one.manifest) for one in store.artefacts()}
    assert {digest(recipe) for recipe in CHAIN[:3]} <= found["grades"]
    assert digest(ADAPTER.base) in found["adapter"]  # its manifest names no parents
    assert not found["quantised"] & {digest(recipe) for recipe in CHAIN}


@pytest.mark.parametrize("damage", ["change", "no manifest", "other version"])
def test_verifying_sets_the_damaged_aside_even_if_this_process_built_it(store, damage):
    one = store.artefacts()[0]
    if damage == "change":
        (one.path / "text").write_text("wholE")
    elif damage == "no manifest":
        (one.path / "manifest.json").unlink()
    else:
        (one.path / "manifest.json").write_text('{"parents": [], "unheard": 1}')
    assert [bool(store.verify(kept)) for kept in store.artefacts()] == [True, False, False, False]
    assert kinds(store.artefacts()) == ["answers", "grades", "quantised"]
    assert [path.parent.name for path in store.scraps()] == ["aside"]


def test_what_is_locked_is_neither_verified_nor_removed(store):
    one = store.artefacts()[0]
    with held(store.root, one.path.name):
        with pytest.raises(Timeout):
            store.verify(one)
        assert not store.remove(one.path)
    assert store.remove(one.path)
    assert one.path not in [kept.path for kept in store.artefacts()]
    assert store.remove(one.path), "gone already is no failure"


def test_removed_is_gone_for_the_store_that_built_it_and_leaves_no_scraps(store):
    assert all(store.remove(one.path) for one in store.artefacts())
    assert store.peek(ADAPTER) is None
    assert store.scraps() == []
    assert store.get(ADAPTER, write).path.is_dir()


def test_what_a_killed_build_left_is_a_scrap_but_not_what_a_build_is_at(store):
    left = store.root / "tmp" / f"{digest(DATA)}-abcd"
    left.mkdir()
    assert store.scraps() == [left]
    with held(store.root, digest(DATA)):
        assert not store.remove(left)
    assert store.remove(left)
    assert store.scraps() == []


def test_parents_of_what_stays_stay(store):
    found = choice(store, ("adapter", "quantised"))
    assert (kinds(found.removed), kinds(found.needed)) == ([], ["adapter", "quantised"])


def test_leaves_go_alone(store):
    found = choice(store, ("grades",))
    assert (kinds(found.removed), found.needed) == (["grades"], [])


def test_with_children_goes_all_that_was_made_from_it_and_children_first(store):
    aged(store.artefacts()[2].path, 1)
    assert kinds(choice(store, ("adapter",), 5.0, children=True).removed) == [
        "grades",
        "answers",
        "adapter",
    ]
    assert kinds(choice(store, (), 5.0).removed) == []


def test_by_age_alone(store):
    assert kinds(choice(store, (), 9.0).removed) == ["grades", "answers", "adapter", "quantised"]
    assert kinds(choice(store, (), 11.0).removed) == []


def test_what_was_asked_for_a_moment_ago_stays_with_all_that_it_needs(store):
    aged(store.artefacts()[1].path, 0)  # the answers
    found = choice(store, ())
    assert (kinds(found.removed), kinds(found.in_use)) == (["grades"], ["answers"])
    assert kinds(found.needed) == ["adapter", "quantised"]


def test_a_folder_that_is_no_store_is_refused_and_foreign_folders_are_not_listed(tmp_path, store):
    with pytest.raises(StoreError, match="no store at"):
        Store.existing(tmp_path)
    assert not (tmp_path / "locks").exists()
    (store.root / "adapter" / "mine").mkdir()
    assert len(Store.existing(store.root).artefacts()) == 4
