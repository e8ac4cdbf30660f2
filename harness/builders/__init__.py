"""How each recipe is made."""

from harness.builders._build import build, cached
from harness.builders._files import ANSWERS, GRADES, LIKELIHOODS, TIMINGS, VERDICTS, read_lines
from harness.builders._grades import Calibrated, Judged, judge, trusted, verdict
from harness.builders._models import opened

__all__ = [
    "ANSWERS",
    "GRADES",
    "LIKELIHOODS",
    "TIMINGS",
    "VERDICTS",
    "Calibrated",
    "Judged",
    "build",
    "cached",
    "judge",
    "opened",
    "read_lines",
    "trusted",
    "verdict",
]
