"""A user's own project, outside the repository, in which the harness is only installed."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.cli import main

SMALL = """title = "{title}"
[training]
epochs = 1
replay = 0
kl = 0
[grid]
rank = [4, 8]
"""


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
