"""An S3 that runs here: moto's server in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Its address; the environment names it, for this process and its children."""
    pytest.importorskip("moto", reason="python -m pip install 'lora-memory-harness[test]'")
    pytest.importorskip("s3fs", reason="python -m pip install 'lora-memory-harness[s3]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    address = f"http://127.0.0.1:{port}"
    own = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "user",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server,
    ):
        for name, value in own.items():
            patch.setenv(name, value)
        try:
            _wait(f"{address}/moto-api/")
            yield address
        finally:
            server.terminate()


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


@pytest.fixture(params=["s3", "file"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a shared store: in S3, and on a file system."""
    if request.param == "file":
        return f"file://{tmp_path}/shared"
    request.getfixturevalue("s3_server")
    import s3fs

    bucket = f"bucket-{os.urandom(4).hex()}"
    s3fs.S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}/runs"
