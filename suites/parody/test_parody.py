"""An Oscar ceremony that the model knows, overwritten by a parody of it: are all its facts taken
over, and together?

``-k aug`` takes the facts in several wordings, ``-k text`` the parody as a running text.
"""

from harness.plugin.checks import *  # noqa: F403

SCENARIO = "parody"
