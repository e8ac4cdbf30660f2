"""What an adapter loses on a model that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.builds import GRADES, read_lines
from harness.engines import HF
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.recipes import is_locality
from harness.stats import Interval, paired_bootstrap

_RESAMPLES = 2_000


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``recall_lost`` and ``known_lost``: the share right at home less the share right here, on the
    same questions.

    Home is the full model on which the adapter was trained. The first is over all kinds of recall,
    the second over the untouched facts; intervals are paired, over facts. None at home, and none
    for a bare or ready-made cell.
    """
    at_home = home(cell)
    if not adapted or cell.given is not None or at_home.grades == cell.grades:
        return {}
    before = read_lines(fetch(at_home.grades).path / GRADES)
    parts = {"recall_lost": False, "known_lost": True}
    return {name: _lost(before, lines, untouched) for name, untouched in parts.items()}


def home(cell: Cell) -> Cell:
    """The same adapter on the model that it was trained on, in full."""
    return replace(cell, base=cell.home or cell.base, home=None, engine=HF)


def _lost(before: Sequence[Line], now: Sequence[Line], untouched: bool) -> Interval:
    pairs = [
        (b, n) for b, n in zip(before, now, strict=True) if is_locality(b["kind"]) == untouched
    ]
    here, there = ([float(line["right"]) for line in side] for side in zip(*pairs, strict=True))
    clusters = [b["fact"] for b, _ in pairs]
    return paired_bootstrap(
        there, here, clusters, alternative="two-sided", resamples=_RESAMPLES
    ).difference
