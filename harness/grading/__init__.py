"""Whether an answer is right."""

from harness.grading._fuzzy import DEFAULT_THRESHOLD, FUZZY, Verdict, grade
from harness.grading._text import normalise

__all__ = ["DEFAULT_THRESHOLD", "FUZZY", "Verdict", "grade", "normalise"]
