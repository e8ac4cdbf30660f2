"""A leaning of the model, and the least effort that sways it."""

from harness.experiments.scenario import Scenario
from harness.scenarios.bias._findings import findings
from harness.scenarios.bias._grid import GRIDS, cells
from harness.scenarios.bias._measures import log_odds, measures
from harness.scenarios.bias._texts import SIDES, choices, dataset, probes, side

SCENARIO = Scenario(
    "bias",
    "A leaning and what sways it",
    cells,
    headline="log_odds",
    measures=measures,
    findings=findings,
)

__all__ = [
    "GRIDS",
    "SCENARIO",
    "SIDES",
    "cells",
    "choices",
    "dataset",
    "findings",
    "log_odds",
    "measures",
    "probes",
    "side",
]
