"""500 new facts: what does the model lose of what it knew, near and far, and what helps?

``-k none``, ``-k "replay and not kl"`` and the like select by remedy.
"""

from harness.plugin.checks import *

SCENARIO = "forgetting"
