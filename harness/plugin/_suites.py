"""Which folder holds the scenario of a test file, on all processes of a session."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import RecipeError
from harness.experiments import loader

_NAMED = re.compile(r"""^SCENARIO = ["'](\w+)["']""", re.MULTILINE)


def scenario_folder(name: str, test_file: Path, root: Path) -> Path:
    """The folder of the scenario that ``test_file`` names.

    It is the file's own folder where that is called so, else one below ``suites`` of the project,
    else a suite that comes along. A path means the same to xdist's controller, which imports no
    suite.

    Raises:
        RecipeError: there is none.
    """
    own = test_file.parent
    if own.name == name and loader.is_scenario(own):
        return own.resolve()
    return loader.find(name, root / "suites")


def root_of(config: pytest.Config) -> Path:
    """The project's folder: pytest's, where an ini file marks it, else where pytest was called.

    Without an ini file pytest's own would be the suite's folder, or where its arguments meet.
    """
    return config.rootpath if config.inipath else config.invocation_params.dir


def suites_asked(config: pytest.Config) -> list[Path]:
    """Folders of the scenarios below what the command line names, from the text of test files.

    It is for a process that imports none of them.
    """
    folders: dict[Path, None] = {}
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            if not file.is_file():
                continue
            for name in _NAMED.findall(file.read_text(encoding="utf-8", errors="replace")):
                try:
                    folders[scenario_folder(name, file, root_of(config))] = None
                except RecipeError:
                    continue  # the test file says so when it is collected
    return list(folders)
