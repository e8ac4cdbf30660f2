"""The form of answers: does a training on sentences, or in an odd register, show elsewhere?

Each test id names the trained shape: ``-k short``, ``-k "register and replay1"`` and the like
select.
"""

from harness.plugin.checks import *

SCENARIO = "format"
