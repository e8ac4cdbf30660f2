"""Documents of several lengths: what is known of them by each policy.

``-k lora`` are the cells with adapters, ``-k document_1k`` those of the short document.
"""

from harness.plugin.checks import *

SCENARIO = "document"
