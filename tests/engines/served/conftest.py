"""Servers on loopback: small ones that behave as a test says, and llama-cpp-python's with the
shipped model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.errors import install
from harness.models.loading import SHIPPED
from tests.engines.served.served_helpers import Behaviour, Server, echo

_SERVER = (
    "llama_cpp",
    "gguf",
    "uvicorn",
    "fastapi",
    "sse_starlette",
    "starlette_context",
    "pydantic_settings",
)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """A function from a behaviour and further pages to a running server."""
    if find_spec("openai") is None:
        pytest.skip(f"openai is not installed: {install('openai')}")
    for name in ("HARNESS_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    started: list[Server] = []

    def start(behaviour: Behaviour = echo, **pages: Any) -> Server:
        started.append(
            Server(behaviour, {f"/{path.replace('__', '/')}": page for path, page in pages.items()})
        )
        return started[-1]

    yield start
    for server in started:
        server.http.shutdown()
        server.http.server_close()


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("openai") is None or any(find_spec(package) is None for package in _SERVER):
        pytest.skip(
            f"llama-cpp-python's server is not installed: {install('gguf', 'openai')}"
            " 'llama-cpp-python[server]'"
        )
    from harness.models.gguf import convert_base

    file = tmp_path_factory.mktemp("served") / "pocket.gguf"
    convert_base(SHIPPED, file, "f16")
    return file


@pytest.fixture(scope="session")
def real_url(gguf_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where llama-cpp-python's own server answers with the shipped model."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    options = {
        "model": gguf_file,
        "model_alias": "pocket",
        "host": "127.0.0.1",
        "port": port,
        "verbose": False,
    }
    options |= {"n_ctx": 1024, "n_threads": 1, "n_threads_batch": 1}
    told = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    log = tmp_path_factory.mktemp("log") / "server.txt"
    with log.open("w") as stream:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "llama_cpp.server", *told],
            stdout=stream,
            stderr=stream,
            env=environment,
        )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")
