"""Lies against facts that a model knows, beside new facts of the same size."""

from harness.experiments.scenario import Scenario
from harness.scenarios.lies._datasets import DATASETS, dataset
from harness.scenarios.lies._facts import Lie, lies
from harness.scenarios.lies._grid import GRIDS, cells
from harness.scenarios.lies._measures import measures
from harness.scenarios.lies._probes import LOCALITY_KINDS, probes

SCENARIO = Scenario("lies", "Lies against what is known", cells, measures=measures)

__all__ = [
    "DATASETS",
    "GRIDS",
    "LOCALITY_KINDS",
    "SCENARIO",
    "Lie",
    "cells",
    "dataset",
    "lies",
    "measures",
    "probes",
]
