"""A process that would wait for another builds something else of its plan."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.builds import IdleBuilder, Job, Plan
from harness.builds import build as made
from harness.errors import ModelError
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Dataset,
    Grades,
    Probe,
    ProbeSet,
    Sample,
    Sibling,
    Stack,
    Training,
    digest,
)
from harness.store import Artefact, Store

SLOW, SHORT, LONG, BUILT_UPON, BROKEN = (
    Dataset.of(name, (Sample(name),)) for name in ("slow", "short", "long", "upon", "broken")
)
OTHER = """
import sys
from pathlib import Path
from harness.recipes import Dataset, Sample
from harness.store import Store
def build(folder):
    print("at it", flush=True)
    sys.stdin.readline()
    return {}
Store(Path(sys.argv[1])).get(Dataset.of("slow", (Sample("slow"),)), build)
"""
HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("at it", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def other(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process, at SLOW until it is told to be ready."""
    with at_it(OTHER, store.root) as process:
        yield process


@contextmanager
def at_it(script: str, what: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", script, str(what)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at it\n"
        yield process
        process.kill()


def let_go(other: subprocess.Popen[str]) -> None:
    assert other.stdin is not None
    other.stdin.write("\n")
    other.stdin.flush()


def builder(
    store: Store, other: subprocess.Popen[str], until: Dataset | None = None
) -> tuple[Callable[[Any], Artefact], list[str]]:
    """Builds into ``store``, notes what, and has the other process be ready once ``until`` is
    built."""
    built = []

    def build(recipe: Any) -> Artefact:
        if recipe == BROKEN:
            raise ModelError("broken")
        found = store.get(recipe, lambda folder: {})
        built.append(recipe.name)
        if recipe == until:
            let_go(other)
        return found

    return build, built


def planned(store: Store, *jobs: Any) -> Callable[[], Plan]:
    return lambda: Plan.of(jobs, store)


def test_what_is_ready_is_built_the_longest_first_while_another_is_at_it(
    store: Store, other: subprocess.Popen[str]
) -> None:
    upon = Job(BUILT_UPON, "upon", 99, (Job(SLOW, "slow", 9),))
    build, built = builder(store, other, until=SHORT)
    jobs = (Job(SHORT, "short", 1), Job(LONG, "long", 5), upon)
    store.meanwhile = IdleBuilder(planned(store, *jobs), store, build)
    assert store.being_built(SLOW)
    assert not store.being_built(SHORT)
    store.get(SLOW, lambda folder: pytest.fail("built twice"))
    while store.meanwhile():
        pass
    assert built == ["long", "short", "upon"]  # which needs the slow one


def test_what_cannot_be_built_is_left_to_who_asks_for_it(
    store: Store, other: subprocess.Popen[str]
) -> None:
    build, built = builder(store, other, until=SHORT)
    store.meanwhile = IdleBuilder(
        planned(store, Job(BROKEN, "broken", 9), Job(SHORT, "short", 1)), store, build
    )
    store.get(SLOW, lambda folder: pytest.fail("built twice"))
    assert built == ["short"]
    assert not store.meanwhile()


def test_who_helps_waits_for_nobody(store: Store, other: subprocess.Popen[str]) -> None:
    """What the other process is at is needed by the longest job, whose needs do not say so."""
    short, built = builder(store, other, until=SHORT)
    asked = []

    def build(recipe: Any) -> Artefact:
        asked.append(recipe.name)
        return (
            store.get(SLOW, lambda folder: pytest.fail("built twice"))
            if recipe == LONG
            else short(recipe)
        )

    store.meanwhile = IdleBuilder(
        planned(store, Job(LONG, "long", 5), Job(SHORT, "short", 1)), store, build
    )
    store.get(SLOW, lambda folder: pytest.fail("built twice"))
    assert (asked[:2], built) == (["long", "short"], ["short"])
    assert store.meanwhile()


def test_a_worker_does_not_ask_for_what_it_is_at_itself(
    store: Store, tiny: Base, lie: Dataset
) -> None:
    """It has begun to answer, waits for the model, and is offered the grades of those
    very answers."""
    adapter = Adapter(tiny, lie, Training(epochs=1, rank=2, alpha=4))
    sibling = Sibling.of(adapter, "taught")
    probes = ProbeSet.of(
        "few", (Probe("a", "exact", "moon", "The colour of the moon is", ("green",)),)
    )
    answers = Answers(Stack(sibling), probes)
    asked = []
    made(adapter, store)
    with at_it(HOLDER, store.root / "locks" / digest(sibling)) as other:

        def build(recipe: Any) -> Artefact:
            asked.append(type(recipe).__name__)
            if recipe == SHORT:
                let_go(other)
                return store.get(recipe, lambda folder: {})
            return made(recipe, store)

        jobs = (
            Job(Grades(answers), "grades", 9, (Job(adapter, "adapter", 2),)),
            Job(SHORT, "short", 1),
        )
        store.meanwhile = IdleBuilder(planned(store, *jobs), store, build)
        assert made(answers, store).manifest.facts["status"] == "ok"
    assert asked[:2] == ["Grades", "Dataset"]
    assert store.meanwhile()
    assert store.peek(Grades(answers))
