"""A judge with known habits, as an engine, where a real one would not have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
