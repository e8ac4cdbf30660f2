"""Intervals for shares and means."""

from harness.stats._intervals import Interval, cluster_bootstrap, wilson

__all__ = ["Interval", "cluster_bootstrap", "wilson"]
