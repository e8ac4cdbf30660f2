"""A server that is killed, or whose disk is full, loses nothing that it has acknowledged."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.server.served import QUICK, Server, running, start

KILLS = int(os.environ.get("HARNESS_KILLS", "3"))
"""How often a server is killed; a release is tested with 50."""


def _talk(server: Server, session: str, acknowledged: list[tuple[str, str]], first: int) -> None:
    """Say one thing after the other until the server is gone."""
    number = first
    while True:
        number += 1
        text = f"Fact {number}: the barn of Harlow has {number} doors."
        try:
            if number % 5 == 0:
                server.add(f"{session}-{number}.txt", text)
                acknowledged.append(("document", f"{session}-{number}.txt"))
            else:
                reply = server.say(text, session, max_tokens=8)
                acknowledged.append(("turn", text))
                acknowledged.append(("turn", reply["choices"][0]["message"]["content"]))
        except httpx.HTTPError:
            return


def test_a_killed_server_loses_nothing_that_it_acknowledged(memory: Path) -> None:
    acknowledged: dict[str, list[tuple[str, str]]] = {"one": [], "two": []}
    rng = random.Random(0)
    for number in range(KILLS):
        server = start(memory, *QUICK)
        children = psutil.Process(server.process.pid).children()
        talks = [
            threading.Thread(target=_talk, args=(server, session, said, 1000 * number))
            for session, said in acknowledged.items()
        ]
        for talk in talks:
            talk.start()
        threading.Event().wait(rng.uniform(0.2, 6))
        server.kill()
        for talk in talks:
            talk.join(60)
        psutil.wait_procs(children, 10)
        assert not [child for child in children if child.is_running()], "the learner is still there"
    with running(memory, "--no-learner") as server:
        assert server.http.post("/memory/verify", json={}).json() == {"faults": []}
        names = {row["name"] for row in server.get("/memory/documents")}
        for session, said in acknowledged.items():
            turns = [turn["text"] for turn in server.get("/memory/turns", session=session)]
            for kind, text in said:
                assert text.strip() == "" or text in (turns if kind == "turn" else names)
            told = [text for text in turns if text.startswith("Fact ")]
            assert len(told) == len(set(told)), "a turn is kept twice"
        recipes = [row["digest"] for row in server.get("/memory/adapters")]
        assert len(recipes) == len(set(recipes)), "something was learnt twice"
    assert sum(map(len, acknowledged.values())) > KILLS


def gone(process: psutil.Process) -> bool:
    """Whether it has ended; its parent, the server, may not have asked for its status yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_killed_learner_is_started_again(memory: Path) -> None:
    with running(memory, *QUICK) as server:
        server.get("/memory")  # its learner is there when it replies
        (learner,) = psutil.Process(server.process.pid).children()
        learner.kill()
        server.until(lambda: gone(learner))
        server.add("one.txt", "The barn of Harlow has seven doors.")
        server.until(lambda: server.counts().get("passages learnt"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB, where one may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_replies_go_on_and_learning_pauses(small_disk: Path) -> None:
    with running(small_disk / "memory", "--free-mib", "0") as server:
        server.say("Who?", "one")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"\0" * 4096)
            except OSError:
                pass
        reply = server.say("The barn of Harlow has seven doors.", "one")
        assert reply["choices"][0]["message"]["content"]
        assert "not kept" in reply["memory"]["warning"]
        refused = server.http.post("/memory/documents?name=a.txt", content=b"x" * 100_000)
        assert refused.status_code == 503
        assert "disk" in refused.json()["error"]["message"]
        filler.unlink()
        reply = server.say("The barn of Harlow has eight doors.", "one")
        assert reply["memory"]["warning"] == ""
        turns = [turn["text"] for turn in server.get("/memory/turns", session="one")]
        assert "The barn of Harlow has eight doors." in turns


def test_a_document_is_refused_before_the_disk_is_full(small_disk: Path) -> None:
    with running(small_disk / "memory", "--free-mib", "64", "--no-learner") as server:
        refused = server.http.post("/memory/documents?name=a.txt", content=b"Some text.")
        assert refused.status_code == 507
        assert "must stay free" in refused.json()["error"]["message"]
