"""Intervals, paired tests and their power, agreement, and correction for grading errors."""

from harness.stats._agreement import ErrorRates, kappa, rogan_gladen
from harness.stats._intervals import (
    Interval,
    cluster_bootstrap,
    cluster_ratio,
    crossed_bootstrap,
    crossing,
    ratio_bootstrap,
    wilson,
)
from harness.stats._paired import (
    McNemar,
    Paired,
    detectable_difference,
    detectable_loss,
    holm,
    mcnemar,
    paired_bootstrap,
)

__all__ = [
    "ErrorRates",
    "Interval",
    "McNemar",
    "Paired",
    "cluster_bootstrap",
    "cluster_ratio",
    "crossed_bootstrap",
    "crossing",
    "detectable_difference",
    "detectable_loss",
    "holm",
    "kappa",
    "mcnemar",
    "paired_bootstrap",
    "ratio_bootstrap",
    "rogan_gladen",
    "wilson",
]
