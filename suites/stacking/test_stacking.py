"""Ten adapters of one fact each, on at once or merged: do they know what one of ten facts knows?

``-k sum`` is the plain stack, ``-k ties`` and the like a merge of it.
"""

from harness.plugin.checks import *

SCENARIO = "stacking"
