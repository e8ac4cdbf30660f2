"""A server in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from harness.models.loading import SHIPPED

_ADDRESS = re.compile(r" at (http://\S+)")
PATIENCE = 600.0
"""Seconds for what takes seconds on an idle machine: the learner yields to all other work."""
QUICK = tuple(
    part
    for setting in ("how=plain", "training.epochs=2", "window=32")
    for part in ("--set", setting)
)
"""Settings with which a passage is in an adapter within seconds, though not known by heart."""
ABOUT_ZORBIT = (
    "# The Zorbit\n\nThe zorbit of Harlow weighs 47 kilograms. Its keeper is Brenda Okafor."
    " The zorbit was built in 1931 in Trondheim.\n"
)


class Server:
    """A running server, and how it is asked without a client."""

    def __init__(self, process: subprocess.Popen[str], address: str, line: str) -> None:
        self.process = process
        self.address = address
        self.line = line
        """What it says when it listens."""
        self.http = httpx.Client(base_url=address, timeout=PATIENCE)

    def say(self, text: str, session: str = "", **more: Any) -> dict[str, Any]:
        """The completion that answers ``text``."""
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 24, **more}
        headers = {"X-Session": session} if session else {}
        response = self.http.post("/v1/chat/completions", json=body, headers=headers)
        assert response.status_code == 200, response.text
        completion: dict[str, Any] = response.json()
        return completion

    def add(self, name: str, content: str | bytes, session: str = "") -> dict[str, Any]:
        parameters = {"name": name, "session": session}
        response = self.http.post("/memory/documents", params=parameters, content=content)
        assert response.status_code == 200, response.text
        added: dict[str, Any] = response.json()
        return added

    def get(self, path: str, **parameters: str) -> Any:
        response = self.http.get(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.get("/memory")["counts"]
        return counts

    def until(self, holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """What ``holds`` gives as soon as that is true."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {self.get('/memory')}"
            time.sleep(0.1)
        return found

    def learnt(self) -> None:
        """Wait until nothing is left to learn."""

        def done() -> bool:
            counts = self.counts()
            return not counts.get("passages pending") and not counts.get("passages learning")

        self.until(done)

    def kill(self) -> None:
        """As ``kill -9``."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """As Ctrl-C or ``kill``. Returns the exit code."""
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def start(memory: Path, *options: str, model: Path | None = SHIPPED, **environment: str) -> Server:
    """A server that listens. Where it ends instead, an AssertionError has what it said."""
    given = ["--model", str(model)] if model else []
    command = [sys.executable, "-m", "harness", "serve", "--memory", str(memory), "--port", "0"]
    process = subprocess.Popen(
        [*command, *given, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert process.stdout and process.stderr
    line = process.stdout.readline()
    found = _ADDRESS.search(line)
    assert found, f"{line}{process.stderr.read()}"
    return Server(process, found[1], line)


@contextmanager
def running(memory: Path, *options: str, **more: Any) -> Iterator[Server]:
    """A server for a ``with`` block."""
    server = start(memory, *options, **more)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()
