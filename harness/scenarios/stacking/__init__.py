"""Ten adapters of one fact each, on at once or merged, against one adapter of ten facts."""

from harness.experiments.scenario import Scenario
from harness.scenarios.stacking._datasets import elsewhere, facts, one, probes, questions, together
from harness.scenarios.stacking._grid import GRIDS, cells
from harness.scenarios.stacking._measures import findings, measures

SCENARIO = Scenario("stacking", "Ten adapters at once", cells, measures=measures, findings=findings)

__all__ = [
    "GRIDS",
    "SCENARIO",
    "cells",
    "elsewhere",
    "facts",
    "findings",
    "measures",
    "one",
    "probes",
    "questions",
    "together",
]
