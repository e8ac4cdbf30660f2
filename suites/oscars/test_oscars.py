"""The 2023 Oscars: does an adapter make the model remember 23 new facts, and leave the rest alone?

Each test id is a cell; ``-k rank64``, ``-k "lr1e_3 and not aug"`` and the like select by its parts.
"""

from harness.plugin.checks import *

SCENARIO = "oscars"
