"""One adapter on several models: what of it survives on quantised forms and on a sibling?

The sibling is the model that the adapter was made for, trained further. ``-k on_base``,
``-k sibling`` and ``-k gguf_q4_0`` select.
"""

from harness.plugin.checks import *

SCENARIO = "transfer"
