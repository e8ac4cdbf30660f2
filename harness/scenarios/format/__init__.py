"""The form of answers: how a training on short, long or odd answers shows where nothing was
trained."""

from harness.experiments.scenario import Scenario
from harness.scenarios.format._datasets import SHAPES, dataset, facts, marks
from harness.scenarios.format._forms import marked, opening, stopped, words
from harness.scenarios.format._grid import GRIDS, cells
from harness.scenarios.format._measures import measures
from harness.scenarios.format._probes import GROUPS, asked, probes

SCENARIO = Scenario("format", "The form of answers", cells, measures=measures, drift=True)

__all__ = [
    "GRIDS",
    "GROUPS",
    "SCENARIO",
    "SHAPES",
    "asked",
    "cells",
    "dataset",
    "facts",
    "marked",
    "marks",
    "measures",
    "opening",
    "probes",
    "stopped",
    "words",
]
