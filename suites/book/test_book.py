"""A captain's memoirs: does an adapter take on the voice, know his life, and talk as him?

``-k timeline``, ``-k "not replay1"`` and the like select.
"""

from harness.plugin.checks import *

SCENARIO = "book"
