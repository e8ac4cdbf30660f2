"""Two datasets, one after the other: what the second leaves of the first."""

from harness.experiments.scenario import Scenario
from harness.scenarios.resume._datasets import both, half, probes, rehearsed
from harness.scenarios.resume._grid import GRIDS, cells
from harness.scenarios.resume._measures import measures

SCENARIO = Scenario(
    "resume", "Going on with a second text", cells, headline="first", measures=measures
)

__all__ = ["GRIDS", "SCENARIO", "both", "cells", "half", "measures", "probes", "rehearsed"]
