"""Facts that come up once in a talk of two, beside the same facts as statements and as
questions."""

from harness.experiments.scenario import Scenario
from harness.scenarios.conversation._grid import GRIDS, cells
from harness.scenarios.conversation._probes import KINDS, probes
from harness.scenarios.conversation._talk import PLAIN, Presentation, dataset, facts, presentation

SCENARIO = Scenario("conversation", "Mentioned in a conversation", cells, "asked_qa")

__all__ = [
    "GRIDS",
    "KINDS",
    "PLAIN",
    "SCENARIO",
    "Presentation",
    "cells",
    "dataset",
    "facts",
    "presentation",
    "probes",
]
