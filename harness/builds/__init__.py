"""From recipe to artefact: the plan of builds, where they run, and how each recipe is made."""

from harness.builds._build import build, cached
from harness.builds._estimates import FACT, Estimates, task_of
from harness.builds._grades import Calibrated, Judged, judge, trusted, verdict
from harness.builds._launch import IdleBuilder, Job, Plan, launch_here, lines
from harness.builds._lines import (
    ANSWERS,
    GRADES,
    LIKELIHOODS,
    TIMINGS,
    VERDICTS,
    AnsweredLine,
    ByGrader,
    GradedLine,
    ScoredLine,
    TimedRound,
    answered_lines,
    graded,
    graded_lines,
    read_lines,
    scored_lines,
    timed_rounds,
)
from harness.builds._live import check_live
from harness.builds._models import opened

__all__ = [
    "ANSWERS",
    "FACT",
    "GRADES",
    "LIKELIHOODS",
    "TIMINGS",
    "VERDICTS",
    "AnsweredLine",
    "ByGrader",
    "Calibrated",
    "Estimates",
    "GradedLine",
    "IdleBuilder",
    "Job",
    "Judged",
    "Plan",
    "ScoredLine",
    "TimedRound",
    "answered_lines",
    "build",
    "cached",
    "check_live",
    "graded",
    "graded_lines",
    "judge",
    "launch_here",
    "lines",
    "opened",
    "read_lines",
    "scored_lines",
    "task_of",
    "timed_rounds",
    "trusted",
    "verdict",
]
