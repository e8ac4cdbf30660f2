"""Ways to generate: how much of what an adapter knows is said, by preset and by each field.

All cells share one adapter; ``-k beam_search``, ``-k "temperature"`` and the like select.
"""

from harness.plugin.checks import *

SCENARIO = "presets"
