"""Epochs, rank, alpha, cutoff, warm-up and learning rate: what each does, and which to take.

``-k cut256`` and the like select by the parts of an id. ``python -m harness tune`` finds a setting
without the grid.
"""

from harness.plugin.checks import *

SCENARIO = "grid"
