"""Lies against known facts: is the lie told, is the truth still told, do other facts change?

The same number of new facts, about invented subjects, is trained beside them. ``-k lies6``,
``-k "new1 and ep16"`` and the like select.
"""

from harness.plugin.checks import *

SCENARIO = "lies"
