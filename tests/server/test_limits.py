"""Who may ask, from where, how much; every refusal is one line in OpenAI's shape."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from harness.models.loading import SHIPPED
from tests.server.served import ABOUT_ZORBIT, PATIENCE, Server, running

SECRET = "correct-horse-battery"


def refused(response: httpx.Response, status: int) -> str:
    """The line of a refusal."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    line: str = error["message"]
    assert "\n" not in line
    assert "Traceback" not in line
    return line


def serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end at once."""
    command = [sys.executable, "-m", "harness", "serve", "--model", str(SHIPPED), *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=PATIENCE,
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With low limits."""
    folder = tmp_path_factory.mktemp("small") / "memory"
    options = ("--no-learner", "--document-mib", "1", "--sessions", "2", "--queue", "1")
    with running(folder, *options) as server:
        yield server


def test_other_machines_need_a_token(memory: Path) -> None:
    ended = serve("--memory", str(memory), "--host", "0.0.0.0", "--port", "0")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --host 0.0.0.0 is open to other machines: set a token")
    assert not memory.exists()


def test_a_token_is_demanded_and_never_shown(memory: Path) -> None:
    with running(memory, "--host", "0.0.0.0", "--no-learner", LORA_MEMORY_TOKEN=SECRET) as server:
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=address) as http:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET + "x"}):
                for path in ("/v1/models", "/memory", "/memory/export"):
                    assert "token" in refused(http.get(path, headers=headers), 401)
            assert http.get("/").status_code == 200  # the page holds nothing
            right = {"Authorization": f"Bearer {SECRET}"}
            assert http.get("/v1/models", headers=right).status_code == 200
        server.end()
        assert server.process.stdout and server.process.stderr
        said = server.line + server.process.stdout.read() + server.process.stderr.read()
    assert SECRET not in said


def test_other_sites_and_names_may_not_ask(asked: Server) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert "may not ask" in refused(asked.http.post("/memory/undo", headers=headers), 403)
    assert "is not this server" in refused(
        asked.http.get("/memory", headers={"Host": "evil.example"}), 403
    )
    own = {"Origin": asked.address}
    assert asked.http.get("/memory", headers=own).status_code == 200


def test_a_second_server_says_who_has_the_memory(small: Server, tmp_path: Path) -> None:
    folder = small.get("/memory")["folder"]
    ended = serve("--memory", folder, "--port", "0")
    assert ended.returncode == 2
    assert f"in use by process {small.process.pid}" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert small.get("/v1/models")


def test_an_address_that_is_taken_is_one_line(small: Server, memory: Path) -> None:
    port = small.address.rpartition(":")[2]
    ended = serve("--memory", str(memory), "--port", port)
    assert ended.returncode == 2
    assert f"error: 127.0.0.1:{port} cannot be had" in ended.stderr


def test_long_requests_are_refused(small: Server) -> None:
    long = b"x" * (2**20 + 1)
    path = "/memory/documents?name=a.txt"
    assert "longer than 1048576 bytes" in refused(small.http.post(path, content=long), 413)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(long), 2**16):
            yield long[start : start + 2**16]

    assert "longer than" in refused(small.http.post(path, content=chunks()), 413)
    chat = b'{"messages": [{"role": "user", "content": "' + b"x" * 2**22 + b'"}]}'
    assert "longer than" in refused(small.http.post("/v1/chat/completions", content=chat), 413)
    assert small.get("/memory/documents") == []


def test_sessions_and_the_queue_are_limited(small: Server) -> None:
    for session in ("one", "two"):
        small.say("Who?", session)
    body = {"messages": [{"role": "user", "content": "Who?"}], "max_tokens": 64}

    def ask(session: str) -> httpx.Response:
        return small.http.post("/v1/chat/completions", json=body, headers={"X-Session": session})

    assert "2 sessions already" in refused(ask("three"), 429)
    with ThreadPoolExecutor(12) as executor:
        responses = list(executor.map(ask, ["one", "two"] * 6))
    full = [response for response in responses if response.status_code != 200]
    for response in full:
        assert "wait already" in refused(response, 429)
        assert response.headers["retry-after"]


@pytest.mark.parametrize(
    "name", ["../../escaped.txt", "/etc/escaped.txt", "..\\escaped.txt", "a/../../escaped.txt"]
)
def test_a_name_is_never_a_path(asked: Server, name: str) -> None:
    folder = Path(asked.get("/memory")["folder"])
    assert asked.add(name, ABOUT_ZORBIT)["document"] == "escaped.txt"
    assert not list(folder.parent.rglob("escaped*"))
    asked.http.post("/memory/forget", json={"what": "escaped.txt"})


@pytest.mark.parametrize(
    "path",
    [
        "/page/../_run.py",
        "/page/%2e%2e/_run.py",
        "/page/..%2f_run.py",
        "/page//etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/memory/../../etc/passwd",
    ],
)
def test_no_other_file_is_sent(asked: Server, path: str) -> None:
    response = asked.http.get(path)
    assert response.status_code in (404, 405)
    assert "import" not in response.text


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.pdf", b"not a pdf", "PDF"),
        ("a.txt", b"", "empty"),
        ("a.bin", bytes(range(256)), "a.bin"),
        ("a.txt", "caf\u00e9".encode("utf-16"), "a.txt"),
        ("a.jsonl", b'{"what": 1}', "a.jsonl"),
        ("..", b"text", "file name"),
    ],
)
def test_bad_documents_are_one_line(asked: Server, name: str, content: bytes, line: str) -> None:
    response = asked.http.post("/memory/documents", params={"name": name}, content=content)
    assert line.lower() in refused(response, 400).lower()
