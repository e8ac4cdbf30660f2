"""An Oscar ceremony that the model knows is overwritten by a parody: all its facts, and together?

``-k aug`` takes the facts in several wordings, ``-k text`` the parody as a running text.
"""

from harness.plugin.checks import *

SCENARIO = "parody"
