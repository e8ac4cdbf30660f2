"""What cells reached before: kept in a file, compared question by question."""

from harness.report.baselines._compare import Change, Comparison, Flip, Limits, Ratio, compare
from harness.report.baselines._file import Baseline, BaselineCell, load, save

__all__ = [
    "Baseline",
    "BaselineCell",
    "Change",
    "Comparison",
    "Flip",
    "Limits",
    "Ratio",
    "compare",
    "load",
    "save",
]
