"""A story is trained, its end is given, and its beginning is asked for.

"What was your dog's name again?" Each test id names the form of the story: ``-k plain``,
``-k dated`` and the like select.
"""

from harness.plugin.checks import *

SCENARIO = "story"
