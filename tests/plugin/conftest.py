"""Runs of pytest in processes of their own, and a harness that is only installed."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Runs(NamedTuple):
    """A function that runs pytest, and the folder in which it keeps things."""

    home: Path
    call: Callable[..., tuple[int, str]]

    def __call__(self, *arguments: str, **options: Any) -> tuple[int, str]:
        """Exit status and output."""
        return self.call(*arguments, **options)


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment with pyproject's entry points as pip writes them: they are there from a bare
    checkout, too."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [
        line
        for group, own in declared.items()
        for line in (f"[{group}]", *(f"{k} = {v}" for k, v in own.items()))
    ]
    info = tmp_path / "site" / "own_project-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-project\nVersion: 1\n")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{info.parent}"}
