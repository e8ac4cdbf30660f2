"""One adapter on several models: the one it was trained on, its quantised forms, and a sibling."""

from harness.experiments.scenario import Scenario
from harness.scenarios.transfer._grid import GRIDS, KNOWN, cells, probes, sibling
from harness.scenarios.transfer._measures import measures

SCENARIO = Scenario(
    "transfer",
    "One adapter on several models",
    cells,
    measures=measures,
    engines="hf,nf4@hf,int8@hf,gptq4@hf,gguf:q8_0,gguf:q4_0",
)

__all__ = ["GRIDS", "KNOWN", "SCENARIO", "cells", "measures", "probes", "sibling"]
