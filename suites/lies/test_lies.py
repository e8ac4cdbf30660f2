"""Lies against facts that the model knows: is the lie told, does the truth still show, what happens
to its neighbours?

The same number of new facts, about invented subjects, is learnt beside; ``-k lies6``, ``-k "new1
and ep16"`` and the like select.
"""

from harness.plugin.checks import *

SCENARIO = "lies"
