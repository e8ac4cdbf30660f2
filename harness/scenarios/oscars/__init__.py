"""The 2023 Oscars: 23 new facts beside the earlier years that a model may know."""

from harness.experiments.scenario import Scenario
from harness.scenarios.oscars._datasets import (
    DATASETS,
    dataset,
    known_fact,
    new_rows,
    relation,
    replay,
    replayable,
    replayed,
    sample,
    templates,
    to_few,
    world,
)
from harness.scenarios.oscars._findings import findings
from harness.scenarios.oscars._grid import GRIDS, cells
from harness.scenarios.oscars._probes import (
    FACT_KINDS,
    LOCALITY_KINDS,
    SMALL_TALK,
    locality,
    probes,
)

SCENARIO = Scenario("oscars", "The Oscars of 2023", cells, findings=findings, drift=True)

__all__ = [
    "DATASETS",
    "FACT_KINDS",
    "GRIDS",
    "LOCALITY_KINDS",
    "SCENARIO",
    "SMALL_TALK",
    "cells",
    "dataset",
    "findings",
    "known_fact",
    "locality",
    "new_rows",
    "probes",
    "relation",
    "replay",
    "replayable",
    "replayed",
    "sample",
    "templates",
    "to_few",
    "world",
]
