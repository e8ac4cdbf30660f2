"""What stands for a suite's scenario on all processes of a session: a registered name,
or a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.experiments import folder
from harness.scenarios import SCENARIOS

_NAMED = re.compile(r"""^SCENARIO = ["'](\w+)["']""", re.MULTILINE)


def key_of(name: str, suite: Path, root: Path) -> str:
    """The key of the scenario ``name`` in the file ``suite``: a folder is the suite's own, else one
    below ``suites``.

    A path means the same to xdist's controller, which imports no suite.
    """
    for own in (suite.parent, root / "suites" / name):
        if name not in SCENARIOS and own.name == name and folder.is_scenario(own):
            return str(own)
    return name


def root_of(config: pytest.Config) -> Path:
    """The project's folder: pytest's, where an ini file marks it, else the one where pytest was
    called.

    Without an ini file pytest's own would be the suite's folder, or wherever its arguments meet.
    """
    return config.rootpath if config.inipath else config.invocation_params.dir


def keys_asked(config: pytest.Config) -> list[str]:
    """Keys of the suites below what the command line names, from their text: for a process that
    imports none."""
    found: dict[str, None] = {}
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        for suite in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            for name in (
                _NAMED.findall(suite.read_text(encoding="utf-8", errors="replace"))
                if suite.is_file()
                else ()
            ):
                found[key_of(name, suite, root_of(config))] = None
    return list(found)
