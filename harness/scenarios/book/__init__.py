"""A book in a strong voice: what it does to the tone, and whether one can talk to its captain."""

from harness.experiments.scenario import Scenario
from harness.scenarios.book._grid import GRIDS, cells
from harness.scenarios.book._measures import measures
from harness.scenarios.book._probes import probes, tone_probes
from harness.scenarios.book._text import DATASETS, RELATIONS, chapters, dataset, events

SCENARIO = Scenario(
    "book", "A captain's memoirs", cells, headline="conversation", measures=measures
)

__all__ = [
    "DATASETS",
    "GRIDS",
    "RELATIONS",
    "SCENARIO",
    "cells",
    "chapters",
    "dataset",
    "events",
    "measures",
    "probes",
    "tone_probes",
]
