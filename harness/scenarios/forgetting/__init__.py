"""What 500 new facts cost of what a model knew, by distance, and what helps."""

from harness.experiments.scenario import Scenario
from harness.scenarios.forgetting._facts import invented, near, texts
from harness.scenarios.forgetting._grid import GRIDS, REMEDIES, WEAKER, cells
from harness.scenarios.forgetting._measures import findings, measures
from harness.scenarios.forgetting._probes import DISTANCES, probes

SCENARIO = Scenario(
    "forgetting",
    "Forgetting after 500 new facts",
    cells,
    measures=measures,
    findings=findings,
    drift=True,
)

__all__ = [
    "DISTANCES", "GRIDS", "REMEDIES", "SCENARIO", "WEAKER",
    "cells", "findings", "invented", "measures", "near", "probes", "texts",
]  # fmt: skip
