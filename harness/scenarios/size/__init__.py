"""What rank costs: memory, disk, and the time to load and to answer."""

from harness.experiments.scenario import Scenario
from harness.scenarios.size._grid import GRIDS, RANKS, cells, probes
from harness.scenarios.size._measures import findings, measures

SCENARIO = Scenario(
    "size", "What rank costs", cells, headline="slowdown", measures=measures, findings=findings
)

__all__ = ["GRIDS", "RANKS", "SCENARIO", "cells", "findings", "measures", "probes"]
