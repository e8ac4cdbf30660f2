"""Who wins, the lie or the truth; what it does to the neighbours; and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from harness.builds import GRADES, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.experiments.shares import contest, retained_accuracy
from harness.scenarios.lies._facts import lies
from harness.scenarios.lies._grid import EPOCHS, curve
from harness.scenarios.lies._probes import LOCALITY_KINDS
from harness.scenarios.oscars import world
from harness.stats import Interval, crossing

UNTRAINED = ("rephrased", "other_format")
"""Kinds in wordings that no training text has."""


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``known_before``, ``lie_over_truth``, ``truth_over_lie``, ``neither``; ``retained_accuracy_*``;
    ``steps_to_half``.

    The second to fourth are shares of the questions in untrained wordings that the bare model
    answered with the truth. ``steps_to_half`` are the optimiser steps after which half of the
    *rephrased* questions get the told answer; it stands on the longest training of each learning
    curve, and nowhere where half is never reached.
    """
    found = contest("lie", lines, bare, _truths(lines), adapted)
    if adapted:
        found |= retained_accuracy(lines, bare, *LOCALITY_KINDS)
        longest = cell.given is None and cell.training.epochs == EPOCHS[cell.dataset.name[-1]][-1]
        found |= _steps(cell, lines, bare, fetch) if longest else {}
    return found


def _truths(lines: Sequence[Line]) -> dict[str, list[str]]:
    """True answers to the questions in untrained wordings on facts that are lied about, by the
    probe's id."""
    truths = {lie.told.id: world().accepted(lie.relation, lie.true) for lie in lies()}
    return {
        ln["id"]: truths[ln["fact"]]
        for ln in lines
        if ln["kind"] in UNTRAINED and ln["fact"] in truths
    }


def _steps(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch
) -> dict[str, Interval]:
    at, shares = [0.0], [_by_fact(bare)]
    for place in curve(cell):
        at.append(float(fetch(place.adapters[0]).manifest.facts["steps"]))
        shares.append(
            _by_fact(lines if place is cell else read_lines(fetch(place.grades).path / GRADES))
        )
    found = crossing(at, shares)
    return {"steps_to_half": found} if found else {}


def _by_fact(lines: Sequence[Line]) -> list[float]:
    """Share of the rephrased questions that get the told answer, fact by fact."""
    asked = [line for line in lines if line["kind"] == "rephrased"]
    facts = dict.fromkeys(line["fact"] for line in asked)
    return [mean(float(line["right"]) for line in asked if line["fact"] == fact) for fact in facts]
