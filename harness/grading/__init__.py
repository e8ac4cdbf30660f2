"""Whether an answer is right."""

from harness.grading._fuzzy import DEFAULT_THRESHOLD, FUZZY, Verdict, grade
from harness.grading._text import normalise

JUDGE = f"judge-2 beside {FUZZY}"
"""A judge's verdicts (``harness.judging``), with the fuzzy grader's beside them, of whose version
they are."""
BOTH = f"both-2 with {FUZZY}"
"""The fuzzy grader's verdicts, with a judge's beside them."""
GRADERS = {"fuzzy": FUZZY, "judge": JUDGE, "both": BOTH}
"""By what a user calls them."""
LEAST_KAPPA = 0.6
"""Agreement with people that a judge must have, unless the user says otherwise: *substantial*
begins there in Landis and Koch, The Measurement of Observer Agreement for Categorical Data
(1977)."""

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
