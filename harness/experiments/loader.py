"""Scenarios from folders: ``scenario.py`` is loaded as a package of its own, data is read.

The suites that come along and a user's folder anywhere on disk are loaded in the same way.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from harness.data.facts import shipped_folder
from harness.errors import DataError, HarnessError, RecipeError
from harness.experiments import folder as folders
from harness.experiments.scenario import Scenario
from harness.recipes import sha256

CODE = "scenario.py"
_ATTRIBUTE = "SCENARIO"
_DIGITS = 8


def is_scenario(folder: Path) -> bool:
    """Whether ``folder`` holds a scenario: in Python, or as facts, text or edits."""
    return (folder / CODE).is_file() or folders.is_scenario(folder)


def shipped() -> dict[str, Path]:
    """The folders of the suites that come along, by name."""
    return {path.parent.name: path.parent for path in _sorted(shipped_folder("suites"))}


def find(name: str, suites: Path) -> Path:
    """The folder of the scenario ``name``.

    It is the folder ``name``, that of this name below ``suites``, or a suite that comes along.

    Raises:
        RecipeError: there is none.
    """
    for folder in (Path(name), suites / name, shipped().get(name)):
        if folder is not None and is_scenario(folder):
            return folder.resolve()
    raise RecipeError(
        f"scenario {name!r} is unknown: choose one of {', '.join(shipped())}, or a folder with"
        f" {CODE}, {folders.FACTS} or {folders.TEXT} (or {folders.EDITS})"
    )


def load(folder: Path) -> Scenario:
    """The scenario in ``folder``.

    Raises:
        RecipeError: its ``scenario.py`` fails, or has no ``SCENARIO``.
        DataError: a file of it is missing, or says something that cannot be used.
    """
    folder = folder.resolve()
    if not (folder / CODE).is_file():
        return folders.scenario_in(folder)
    module = _module(folder)
    scenario = getattr(module, _ATTRIBUTE, None)
    if not isinstance(scenario, Scenario):
        raise RecipeError(
            f"{folder / CODE} has no {_ATTRIBUTE}: write {_ATTRIBUTE} = Scenario(...)"
        )
    if scenario.name != folder.name:
        raise DataError(
            f"{folder / CODE}: the scenario is called {scenario.name!r}, its folder"
            f" {folder.name!r}: give both one name"
        )
    return scenario


def module_of(name: str) -> ModuleType:
    """The Python of the shipped suite ``name``, for tests and other suites."""
    return _module(shipped()[name].resolve())


def _module(folder: Path) -> ModuleType:
    """``scenario.py`` of ``folder`` in a package under a name of its own, loaded once.

    Modules beside it can be imported as ``from . import texts``.
    """
    package = f"harness_suite_{folder.name}_{sha256(str(folder))[:_DIGITS]}"
    name = f"{package}.scenario"
    if name in sys.modules:
        return sys.modules[name]
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = [str(folder)]
        sys.modules[package] = parent
    try:
        return importlib.import_module(name)
    except HarnessError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        inside = [each for each in frames if Path(each.filename).is_relative_to(folder)]
        place = f", line {inside[-1].lineno}" if inside else ""
        file = inside[-1].filename if inside else folder / CODE
        raise RecipeError(f"{file}{place}: {type(error).__name__}: {error}") from error


def _sorted(suites: Path) -> list[Path]:
    return sorted(suites.glob(f"*/{CODE}"))
