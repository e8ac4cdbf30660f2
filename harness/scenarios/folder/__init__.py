"""A user's own scenario: a folder with facts or a text, and with what is to be asked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.scenarios._scenario import Scenario
from harness.scenarios.folder._cells import cells
from harness.scenarios.folder._material import EDITS, FACTS, LOCALITY, PROBES, SETTINGS, TEXT, Material, read
from harness.scenarios.folder._published import published
from harness.scenarios.folder._tables import read_facts
from harness.scenarios.folder._text import told


def is_scenario(folder: Path) -> bool:
    """Whether ``folder`` holds something to train on."""
    return any((folder / name).is_file() for name in (FACTS, TEXT, EDITS))


def scenario_in(folder: Path) -> Scenario:
    """The scenario that ``folder`` holds, named like it.

    Raises:
        DataError: a file is missing, or says something that cannot be used; the line names file, line and mend.
    """
    material = read(folder)
    measures = partial(published, material)
    return Scenario(material.name, material.title, partial(cells, material), material.headline, measures)


__all__ = [
    "EDITS",
    "FACTS",
    "LOCALITY",
    "PROBES",
    "SETTINGS",
    "TEXT",
    "Material",
    "is_scenario",
    "read",
    "read_facts",
    "scenario_in",
    "told",
]
