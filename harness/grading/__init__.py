"""Grading: is an answer right?"""

from harness.grading._fuzzy import DEFAULT_THRESHOLD, FUZZY, Verdict, grade
from harness.grading._text import normalise

JUDGE = f"judge-2 beside {FUZZY}"
"""A judge's verdicts (``harness.grading.judge``), with those of this fuzzy grader beside them."""
BOTH = f"both-2 with {FUZZY}"
"""The fuzzy grader's verdicts, with those of a judge beside them."""
GRADERS = {"fuzzy": FUZZY, "judge": JUDGE, "both": BOTH}
"""Name and version of each grader, by the name that a user gives."""
LEAST_KAPPA = 0.6
"""Cohen's kappa that a judge must reach against people's labels, unless the user sets another.

*Substantial* agreement begins above 0.60 in Landis and Koch, The Measurement of Observer Agreement
for Categorical Data (1977).
"""

__all__ = [
    "BOTH",
    "DEFAULT_THRESHOLD",
    "FUZZY",
    "GRADERS",
    "JUDGE",
    "LEAST_KAPPA",
    "Verdict",
    "grade",
    "normalise",
]
