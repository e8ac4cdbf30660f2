"""From recipe to artefact: the plan of builds, where they run, and how each recipe is made."""

from harness.builds._build import build, cached
from harness.builds._files import ANSWERS, GRADES, LIKELIHOODS, TIMINGS, VERDICTS, read_lines
from harness.builds._grades import Calibrated, Judged, judge, trusted, verdict
from harness.builds._launch import IdleBuilder, launch_here, lines
from harness.builds._models import opened
from harness.builds._plan import Job, Plan, training_seconds

__all__ = [
    "ANSWERS",
    "GRADES",
    "LIKELIHOODS",
    "TIMINGS",
    "VERDICTS",
    "Calibrated",
    "IdleBuilder",
    "Job",
    "Judged",
    "Plan",
    "build",
    "cached",
    "judge",
    "launch_here",
    "lines",
    "opened",
    "read_lines",
    "training_seconds",
    "trusted",
    "verdict",
]
