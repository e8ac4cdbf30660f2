"""The learner: beside the writer, on a full disk, and killed at random moments."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness.memory import Memory
from harness.memory.learner import IDLE, LEARNING, PAUSED, STOPPED, Learner, progress
from tests.memory.conftest import told

KILLS = int(os.environ.get("HARNESS_KILLS", "20"))
LONGEST = 1.5
"""Seconds of the longest life: a training takes about a third of that on an idle machine."""
PATIENCE = 300.0
"""Seconds; on a machine with other work, libraries take a minute to import."""


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def pending(memory: Memory) -> int:
    return len(memory.passages(state="pending")) + len(memory.passages(state="learning"))


def built(memory: Memory) -> dict[str, int]:
    """When each adapter in the store was made."""
    folders = (memory.store.root / "adapter").glob("*")
    return {path.name: (path / "manifest.json").stat().st_mtime_ns for path in folders}


def lives(role: str, memory_folder: Path, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.memory.lives", role, str(memory_folder)]
    return subprocess.Popen(
        [*command, str(KILLS), str(seed), str(LONGEST)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_learns_beside_the_writer_shows_its_progress_and_ends_when_told(memory: Memory) -> None:
    assert progress(memory.folder).state == STOPPED
    memory.configure(["training.epochs=400"])
    with Learner.start(memory.folder) as learner:
        wait_until(lambda: progress(memory.folder).state == IDLE, "it did not start")
        memory.add(told("bridge"))
        learner.wake()
        wait_until(lambda: progress(memory.folder).step > 3, "it did not train")
        shown = progress(memory.folder)
        assert (shown.state, shown.document) == (LEARNING, "bridge")
        assert shown.step < shown.steps
        assert [step for step, _ in shown.losses] == sorted(step for step, _ in shown.losses)
        assert {row.state for row in memory.passages()} == {"learning"}
        start = time.monotonic()
        memory.say("joe", "user", "Are you asleep?")  # the writer does not wait for a training
        assert time.monotonic() - start < 2
        start = time.monotonic()
        learner.stop()
        assert time.monotonic() - start < 5
    assert progress(memory.folder).state == STOPPED
    assert {row.state for row in memory.passages()} == {"pending"}


def test_it_ends_with_the_process_that_started_it(memory: Memory) -> None:
    starter = (
        "import sys; from pathlib import Path; from harness.memory.learner import Learner\n"
        "learner = Learner.start(Path(sys.argv[1])); print(learner.process.pid, flush=True)\n"
        "input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, str(memory.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: progress(memory.folder).state == IDLE, "it did not start")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_running(child), "it outlived its parent")


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_second_learner_leaves_the_first_alone(memory: Memory) -> None:
    with Learner.start(memory.folder) as first:
        wait_until(lambda: progress(memory.folder).state == IDLE, "it did not start")
        second = Learner.start(memory.folder)
        assert second.process.wait(PATIENCE) == 1
        assert first.running
        assert progress(memory.folder).state == IDLE


def test_on_a_full_disk_it_pauses_says_why_and_goes_on(memory: Memory) -> None:
    with Learner.start(memory.folder) as learner:
        wait_until(lambda: progress(memory.folder).state == IDLE, "it did not start")
        limit = resource.RLIMIT_FSIZE
        _, hard = resource.prlimit(learner.process.pid, limit)
        resource.prlimit(learner.process.pid, limit, (2**17, hard))  # an adapter has more bytes
        memory.add(told("bridge"))
        learner.wake()
        wait_until(lambda: progress(memory.folder).state == PAUSED, "it did not pause")
        reason = progress(memory.folder).reason
        assert "space" in reason
        assert "\n" not in reason
        assert memory.say("joe", "user", "Is anybody there?") == 1  # a reply goes on
        assert memory.prepare("joe", "Who painted the bridge number 1?").passages
        assert pending(memory) == 3
        resource.prlimit(learner.process.pid, limit, (hard, hard))
        wait_until(lambda: not pending(memory), "it did not go on")
    assert memory.verify() == []


def test_killed_at_random_moments_it_loses_nothing_and_learns_nothing_twice(
    memory: Memory,
) -> None:
    """Documents come and change while the learner dies; each adapter is built once."""
    rng = random.Random(0)
    killing = lives("learner", memory.folder, seed=1)
    names: list[str] = []
    seen: dict[str, int] = {}
    said = 0
    while killing.poll() is None:
        if pending(memory) < 8:
            names.append(f"doc{len(names)}")
            memory.add(told(names[-1], rng.randint(1, 3)))
        said = memory.say("joe", "user", f"turn {said + 1}")
        now = built(memory)
        assert all(now[name] == made for name, made in seen.items()), "an adapter was built again"
        seen.update(now)
        time.sleep(0.05)
    _, errors = killing.communicate()
    assert killing.returncode == 0, errors
    assert memory.verify() == []
    while work := memory.next_work():  # what the dead have left
        memory.learn(work)
    now = built(memory)
    assert all(now[name] == made for name, made in seen.items())
    adapters = memory.adapters()
    assert {row.digest for row in adapters} == set(now), "a training is in no ledger"
    held = Counter(id for row in adapters for id in row.passages)
    assert set(held.values()) == {1}, "a passage was learnt twice"
    assert {row.state for row in memory.passages()} == {"learnt"}
    assert {row.name for row in memory.documents() if row.kind == "text"} == set(names)
    assert [turn.number for turn in memory.turns("joe")] == list(range(1, said + 1))
    assert memory.verify() == []


def test_killed_at_random_moments_a_writer_loses_nothing_that_it_acknowledged(
    memory: Memory,
) -> None:
    memory.close()
    killing = lives("writer", memory.folder, seed=2)
    acknowledged, errors = killing.communicate(timeout=600)
    assert killing.returncode == 0, errors
    with Memory.open(memory.folder) as again:
        turns = {turn.number: turn.text for turn in again.turns("joe")}
        names = {row.name for row in again.documents()}
        lines = [line.split() for line in acknowledged.splitlines()]
        assert len(lines) > KILLS
        for kind, *rest in lines:
            if kind == "turn":
                number, process, count = rest
                assert turns[int(number)] == f"turn of process {process}, the {count}."
            else:
                assert rest[0] in names
        assert sorted(turns) == list(range(1, len(turns) + 1))
        assert again.verify() == []
