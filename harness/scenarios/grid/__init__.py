"""Which training parameters to take, from a grid over six of them."""

from harness.experiments.scenario import Scenario
from harness.scenarios.grid._findings import findings, options
from harness.scenarios.grid._grid import AXES, GRIDS, cell, cells, probes

SCENARIO = Scenario("grid", "Training parameters, and which to take", cells, findings=findings)

__all__ = ["AXES", "GRIDS", "SCENARIO", "cell", "cells", "findings", "options", "probes"]
