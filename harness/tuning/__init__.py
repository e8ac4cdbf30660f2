"""Which setting to take: Pareto fronts, a rule, and a search that needs little of the full grid's compute."""

from harness.tuning._pareto import Trial, best, front, score, shortfall
from harness.tuning._search import FIRST, Axes, search

__all__ = ["FIRST", "Axes", "Trial", "best", "front", "score", "search", "shortfall"]
