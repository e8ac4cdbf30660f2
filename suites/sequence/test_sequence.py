"""Documents that are learnt one after the other: what is left of the first?

``-k routed`` is one adapter a document, ``-k one_adapter`` one that is trained on and on.
"""

from harness.plugin.checks import *

SCENARIO = "sequence"
