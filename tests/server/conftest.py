"""One server for tests that only ask; those that change a memory start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="python -m pip install 'lora-memory-harness[server]'")
pytest.importorskip("uvicorn", reason="python -m pip install 'lora-memory-harness[server]'")

from tests.server.served import Server, running


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It learns nothing, so that its answers do not change."""
    with running(tmp_path_factory.mktemp("asked") / "memory", "--no-learner") as server:
        yield server


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Where a memory may be made."""
    return tmp_path / "memory"
