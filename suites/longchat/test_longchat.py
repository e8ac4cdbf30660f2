"""A long chat: what is known of what was said before the window?

``-k window`` are the cells without adapters, ``-k absolute`` those with dates before each line.
"""

from harness.plugin.checks import *

SCENARIO = "longchat"
