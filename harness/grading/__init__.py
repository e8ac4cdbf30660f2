"""Whether an answer is right."""

from harness.grading._fuzzy import DEFAULT_THRESHOLD, FUZZY, Verdict, grade
from harness.grading._text import normalise

JUDGE = "judge-1"
"""A judge's verdicts (``harness.judging``), with the fuzzy grader's beside them."""
BOTH = "both-1"
"""The fuzzy grader's verdicts, with a judge's beside them."""
GRADERS = (FUZZY, JUDGE, BOTH)

__all__ = ["BOTH", "DEFAULT_THRESHOLD", "FUZZY", "GRADERS", "JUDGE", "Verdict", "grade", "normalise"]
