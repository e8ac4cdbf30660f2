"""Intervals for shares and means, paired tests, what they can find, and graders that err."""

from harness.stats._agreement import kappa
from harness.stats._crossing import crossing
from harness.stats._grader import ErrorRates, rogan_gladen
from harness.stats._intervals import Interval, cluster_bootstrap, ratio_bootstrap, wilson
from harness.stats._multiple import holm
from harness.stats._paired import McNemar, Paired, mcnemar, paired_bootstrap
from harness.stats._power import detectable_difference, detectable_loss
from harness.stats._ratio import cluster_ratio
from harness.stats._seeds import crossed_bootstrap

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
