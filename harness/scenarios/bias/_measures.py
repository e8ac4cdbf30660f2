"""Log-odds of a forced choice."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.builds import LIKELIHOODS, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.recipes import Likelihoods
from harness.scenarios.bias._texts import SIDES, side
from harness.stats import Interval, cluster_bootstrap

_CHOICES = ("names", "letters")


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``log_odds`` of the first side against the second, in nats, over templates that are gone on
    with by a name, and ``log_odds_letters`` over those by a letter. ``swayed``: how far they moved
    to the told side, template by template. ``prefers_told``: share of the templates by name, both
    orders together, that favour the told side.
    """
    own = odds_of(cell.likelihoods if adapted else cell.base_likelihoods, fetch)
    if not own:
        return {}
    found = {"log_odds": _mean(own, "names"), "log_odds_letters": _mean(own, "letters")}
    if adapted:
        sign = towards(cell)
        before = odds_of(cell.base_likelihoods, fetch)
        moved = {name: sign * (value - before[name]) for name, value in own.items()}
        found["swayed"] = _mean(moved, "names")
        told = {name: float(sign * value > 0) for name, value in own.items()}
        found["prefers_told"] = _mean(told, "names", within=(0, 1))
    return found


def towards(cell: Cell) -> int:
    """1 where the cell speaks for the first side, -1 where for the second."""
    return 1 if side(cell.dataset.name) == SIDES[0] else -1


def odds_of(recipe: Likelihoods | None, fetch: Fetch) -> dict[str, float]:
    """``log_odds`` of what is made from ``recipe``; none on an engine that scores nothing, or where
    a loss ran away."""
    return log_odds(read_lines(fetch(recipe).path / LIKELIHOODS)) if recipe else {}


def log_odds(lines: Sequence[Line]) -> dict[str, float]:
    """By template: log P(first) - log P(second), the mean of both orders. What is scored beside
    them is left out."""
    each: dict[str, list[float]] = {}
    for line in (line for line in lines if line["kind"] in _CHOICES):
        first, second = (float(found["total"]) for found in line["likelihoods"])
        each.setdefault(line["fact"], []).append(first - second)
    return {template: sum(values) / len(values) for template, values in each.items()}


def _mean(
    values: dict[str, float], kind: str, within: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """Over the templates of ``kind``."""
    own = [value for template, value in values.items() if template.startswith(kind)]
    return cluster_bootstrap(own, range(len(own)), within=within)
