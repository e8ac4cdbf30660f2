"""A process that would wait for another builds something else of its plan."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import ModelError
from harness.launch import Job, Meanwhile, Plan
from harness.recipes import Dataset, Sample
from harness.store import Store

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


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def other(store):
    """Another process, at SLOW until it is told to be ready."""
    command = [sys.executable, "-c", OTHER, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at it\n"
        yield process
        process.kill()


def builder(store, other, until=None):
    """Builds into ``store``, notes what, and has the other process be ready once ``until`` is built."""
    built = []

    def build(recipe):
        if recipe == BROKEN:
            raise ModelError("broken")
        found = store.get(recipe, lambda folder: {})
        built.append(recipe.name)
        if recipe == until:
            other.stdin.write("\n")
            other.stdin.flush()
        return found

    return build, built


def planned(store, *jobs):
    return lambda: Plan.of(jobs, store)


def test_what_is_ready_is_built_the_longest_first_while_another_is_at_it(store, other):
    upon = Job(BUILT_UPON, "upon", 99, (Job(SLOW, "slow", 9),))
    build, built = builder(store, other, until=SHORT)
    jobs = (Job(SHORT, "short", 1), Job(LONG, "long", 5), upon)
    store.meanwhile = Meanwhile(planned(store, *jobs), store, build)
    assert store.busy(SLOW)
    assert not store.busy(SHORT)
    store.get(SLOW, lambda folder: pytest.fail("built twice"))
    while store.meanwhile():
        pass
    assert built == ["long", "short", "upon"]  # which needs the slow one


def test_what_cannot_be_built_is_left_to_who_asks_for_it(store, other):
    build, built = builder(store, other, until=SHORT)
    store.meanwhile = Meanwhile(planned(store, Job(BROKEN, "broken", 9), Job(SHORT, "short", 1)), store, build)
    store.get(SLOW, lambda folder: pytest.fail("built twice"))
    assert built == ["short"]
    assert not store.meanwhile()


def test_who_waits_while_it_helps_does_not_help_again(store, other):
    calls = []

    def build(recipe):
        calls.append(meanwhile())
        other.stdin.write("\n")
        other.stdin.flush()
        return store.get(recipe, lambda folder: {})

    meanwhile = store.meanwhile = Meanwhile(planned(store, Job(SHORT, "short", 1)), store, build)
    store.get(SLOW, lambda folder: pytest.fail("built twice"))
    assert calls == [False]
