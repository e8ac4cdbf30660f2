"""How recall depends on the way text is generated."""

from harness.experiments.scenario import Scenario
from harness.scenarios.presets._grid import GRIDS, cells, probes
from harness.scenarios.presets._measures import measures

SCENARIO = Scenario(
    "presets",
    "Ways to generate",
    cells,
    headline="consistency",
    measures=measures,
    compares_decodings=True,
)

__all__ = ["GRIDS", "SCENARIO", "cells", "measures", "probes"]
