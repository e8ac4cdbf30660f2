"""Training goes on with a second text: how much of the first is left?

Would it be better to train on both at once? ``-k first_then_second`` selects by order, ``-k again``
the cells that rehearse the first text.
"""

from harness.plugin.checks import *

SCENARIO = "resume"
