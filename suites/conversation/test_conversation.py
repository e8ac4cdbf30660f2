"""A fact comes up once in a talk: is it remembered as well as a statement or a question?

Each test id names the presentation: ``-k brandine``, ``-k "asked1 and d50"`` and the like select.
"""

from harness.plugin.checks import *

SCENARIO = "conversation"
