"""How each recipe is made."""

from harness.builders._build import build
from harness.builders._files import GRADES, LIKELIHOODS, VERDICTS, read_lines
from harness.builders._grades import Calibrated, Judged, judge, verdict

__all__ = [
    "GRADES",
    "LIKELIHOODS",
    "VERDICTS",
    "Calibrated",
    "Judged",
    "build",
    "judge",
    "read_lines",
    "verdict",
]
