"""One adapter on several models: what of it survives on quantised forms and on a sibling of the
model it was made for?

``-k on_base``, ``-k sibling`` and ``-k gguf_q4_0`` select.
"""

from harness.plugin.checks import *

SCENARIO = "transfer"
