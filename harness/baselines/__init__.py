"""What cells reached before: kept in a file, compared question by question."""

from harness.baselines._compare import Change, Comparison, Flip, Limits, Ratio, compare
from harness.baselines._file import Baseline, Kept, load, save
from harness.baselines._markdown import comparison_markdown

__all__ = [
    "Baseline",
    "Change",
    "Comparison",
    "Flip",
    "Kept",
    "Limits",
    "Ratio",
    "compare",
    "comparison_markdown",
    "load",
    "save",
]
