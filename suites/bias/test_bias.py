"""A leaning: which of two painters the model prefers, and the least effort that sways it.

``-k for_monet``, ``-k "ep8"`` and the like select; the terminal and RESULTS.md name the cheapest
setting that flips it.
"""

from harness.plugin.checks import *

SCENARIO = "bias"
