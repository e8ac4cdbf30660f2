"""Adapters that become one: what does it know, and how large is it?

``-k svd`` is one method, ``-k passages20`` one number of adapters.
"""

from harness.plugin.checks import *

SCENARIO = "rollup"
