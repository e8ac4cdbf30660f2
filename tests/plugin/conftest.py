"""A user's own project, outside the repository, in which the harness is only installed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.cli import main

ROOT = Path(__file__).resolve().parents[2]
SMALL = """title = "{title}"
[training]
epochs = 1
replay = 0
kl = 0
[grid]
rank = [4, 8]
"""


class Runs(NamedTuple):
    """A function that runs pytest, and the folder in which it keeps things."""

    home: Path
    call: Callable[..., tuple[int, str]]

    def __call__(self, *arguments: str, **options: Any) -> tuple[int, str]:
        """Exit status and output."""
        return self.call(*arguments, **options)


class Project(NamedTuple):
    """A folder in which commands run. Nothing but the interpreter's start is spared: sessions are
    whole ones."""

    path: Path
    model: Path

    def pytest(self, *arguments: str, status: int = 0) -> str:
        """What pytest says on the small model; its exit status must be ``status``."""
        own = ["-p", "harness.plugin", "-p", "no:cacheprovider", "--model", str(self.model)]
        before = set(sys.modules)
        try:
            found, said = self._captured(lambda: int(pytest.main([*own, *arguments])))
        finally:
            for name in {name for name in set(sys.modules) - before if name.startswith("test_")}:
                del sys.modules[name]  # another folder's file may have the same name
        assert found == status, said
        return said

    def harness(self, *arguments: str, status: int = 0) -> str:
        """What ``python -m harness`` says."""
        found, said = self._captured(lambda: main(arguments))
        assert found == status, said
        return said

    def suite(self, name: str) -> Path:
        """A suite as ``new-suite`` starts it, with a small training and little to ask."""
        self.harness("new-suite", name)
        folder = self.path / "suites" / name
        (folder / "scenario.toml").write_text(SMALL.format(title=name.title()))
        (folder / "locality.csv").write_text(
            "question,accepted\nWhat is the capital of France?,Paris\n"
        )
        return folder

    def _captured(self, call: Callable[[], int]) -> tuple[int, str]:
        out = io.StringIO()
        with (
            contextlib.chdir(self.path),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            found = call()
        traced = out.getvalue().partition(
            "Traceback"
        )  # pytest shortens what it shows of a long text
        assert not traced[1], traced[2][:4000]
        return found, out.getvalue()


@pytest.fixture(scope="module")
def project(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), model_folder)


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
