"""Running text of a thousand characters, of which the end is given and the beginning is
asked for."""

from harness.experiments.scenario import Scenario
from harness.scenarios.story._datasets import FORMS, dataset
from harness.scenarios.story._grid import GRIDS, cells
from harness.scenarios.story._measures import measures
from harness.scenarios.story._probes import KINDS, probes
from harness.scenarios.story._stories import Story, stories

SCENARIO = Scenario("story", "The beginning of a story", cells, "after_tail", measures)

__all__ = [
    "FORMS",
    "GRIDS",
    "KINDS",
    "SCENARIO",
    "Story",
    "cells",
    "dataset",
    "measures",
    "probes",
    "stories",
]
