"""A long chat of two people: how they write, and what they told of themselves."""

from harness.experiments.scenario import Scenario
from harness.scenarios.chatlog._chat import (
    PEOPLE,
    Turn,
    chat,
    dataset,
    facts,
    held_out,
    named,
    told,
)
from harness.scenarios.chatlog._grid import GRIDS, cells
from harness.scenarios.chatlog._measures import measures
from harness.scenarios.chatlog._probes import probes, style_probes

SCENARIO = Scenario(
    "chatlog", "A long chat of two people", cells, headline="style_match", measures=measures
)

__all__ = [
    "GRIDS",
    "PEOPLE",
    "SCENARIO",
    "Turn",
    "cells",
    "chat",
    "dataset",
    "facts",
    "held_out",
    "measures",
    "named",
    "probes",
    "style_probes",
    "told",
]
