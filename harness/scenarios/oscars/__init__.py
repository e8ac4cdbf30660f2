"""The 2023 Oscars: 23 new facts beside the earlier years that a model may know."""

from harness.scenarios.oscars._datasets import DATASETS, dataset, replay
from harness.scenarios.oscars._grid import GRIDS, cells
from harness.scenarios.oscars._probes import FACT_KINDS, LOCALITY_KINDS, probes

__all__ = ["DATASETS", "FACT_KINDS", "GRIDS", "LOCALITY_KINDS", "cells", "dataset", "probes", "replay"]
