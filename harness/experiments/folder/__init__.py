"""A user's own scenario: a folder with facts or a text to train, and questions to ask."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.experiments.folder._material import (
    EDITS,
    FACTS,
    LOCALITY,
    PROBES,
    SETTINGS,
    TEXT,
    Material,
    designs,
    read,
)
from harness.experiments.folder._published import published_figures
from harness.experiments.folder._tables import FACT_COLUMNS, read_facts, samples_of_facts
from harness.experiments.scenario import Scenario


def is_scenario(folder: Path) -> bool:
    """Whether ``folder`` has a file to train on."""
    return any((folder / name).is_file() for name in (FACTS, TEXT, EDITS))


def scenario_in(folder: Path) -> Scenario:
    """The scenario that ``folder`` holds, named like it.

    Raises:
        DataError: a file is missing, or has a mistake; the line names file and line, and says
            what to do.
    """
    material = read(folder)
    settings = material.settings
    return Scenario(
        material.name,
        material.title,
        grids={
            "default": partial(designs, material, settings.default),
            "full": partial(designs, material, settings.full),
        },
        measures=partial(published_figures, material.tasks, material.scored),
        headline=material.headline,
    )


__all__ = [
    "EDITS",
    "FACTS",
    "FACT_COLUMNS",
    "LOCALITY",
    "PROBES",
    "SETTINGS",
    "TEXT",
    "Material",
    "is_scenario",
    "read",
    "read_facts",
    "samples_of_facts",
    "scenario_in",
]
