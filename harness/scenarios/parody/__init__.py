"""A ceremony that a model knows, overwritten by a parody of it: a whole set of facts that hang
together."""

from harness.experiments.scenario import Scenario
from harness.scenarios.parody._contradictions import contradictions
from harness.scenarios.parody._datasets import DATASETS, dataset, known
from harness.scenarios.parody._facts import frame, parody_rows, true_rows
from harness.scenarios.parody._grid import GRIDS, cells
from harness.scenarios.parody._measures import measures
from harness.scenarios.parody._probes import KINDS, probes

SCENARIO = Scenario("parody", "The Oscars of 2012, as a parody", cells, "who", measures)

__all__ = [
    "DATASETS",
    "GRIDS",
    "KINDS",
    "SCENARIO",
    "cells",
    "contradictions",
    "dataset",
    "frame",
    "known",
    "measures",
    "parody_rows",
    "probes",
    "true_rows",
]
