"""From recipe to artefact: the plan of builds, where they run, and how each recipe is made."""

from harness.builds._build import build, cached
from harness.builds._cluster import check_ray
from harness.builds._estimates import FACT, Estimates, task_of
from harness.builds._grades import Calibrated, Judged, judge, trusted, verdict
from harness.builds._launch import IdleBuilder, Job, Plan, launch_here, lines, ordered
from harness.builds._lines import (
    ANSWERS,
    GRADES,
    LIKELIHOODS,
    TIMINGS,
    VERDICTS,
    AnsweredLine,
    ByGrader,
    ComparedLine,
    GradedLine,
    ScoredLine,
    TimedRound,
    answered_lines,
    compared_lines,
    graded,
    graded_lines,
    read_lines,
    scored_lines,
    timed_rounds,
)
from harness.builds._live import check_live
from harness.builds._memory import memory_note, training_bytes
from harness.builds._models import opened
from harness.builds._models import weights as opened_adapter
from harness.builds._ray import RayLauncher
from harness.builds._shards import BALANCED, Division, Shard, divided
from harness.builds._task import Outcome, Site

__all__ = [
    "ANSWERS",
    "BALANCED",
    "FACT",
    "GRADES",
    "LIKELIHOODS",
    "TIMINGS",
    "VERDICTS",
    "AnsweredLine",
    "ByGrader",
    "Calibrated",
    "ComparedLine",
    "Division",
    "Estimates",
    "GradedLine",
    "IdleBuilder",
    "Job",
    "Judged",
    "Outcome",
    "Plan",
    "RayLauncher",
    "ScoredLine",
    "Shard",
    "Site",
    "TimedRound",
    "answered_lines",
    "build",
    "cached",
    "check_live",
    "check_ray",
    "compared_lines",
    "divided",
    "graded",
    "graded_lines",
    "judge",
    "launch_here",
    "lines",
    "memory_note",
    "opened",
    "opened_adapter",
    "ordered",
    "read_lines",
    "scored_lines",
    "task_of",
    "timed_rounds",
    "training_bytes",
    "trusted",
    "verdict",
]
