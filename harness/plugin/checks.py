"""The tests that every suite has: ``from harness.plugin.checks import *`` collects them there.

Gates are in gates.toml beside the suite; ``--baseline NAME`` compares with an earlier run.
"""

from __future__ import annotations

import pytest

from harness.builds import GradedLine
from harness.experiments.cells import Cell
from harness.plugin import Bounds
from harness.report import Result
from harness.report.baselines import Comparison

__all__ = [
    "test_answers",
    "test_holds_its_gates",
    "test_not_worse_than_the_baseline",
    "test_training_ends_well",
]


def test_answers(outcome: Result, lines: list[GradedLine], may_diverge: bool) -> None:
    if outcome.status == "diverged":
        pytest.skip("the training diverged, so nothing was asked")
    answered = any(text for line in lines for text in line.answers)
    assert answered or may_diverge, f"{outcome.id} said nothing to any question"


def test_training_ends_well(cell: Cell, outcome: Result, may_diverge: bool) -> None:
    if not cell.subject.trains:
        pytest.skip("nothing was trained for this cell")
    assert outcome.status == "ok" or may_diverge, f"the loss of {outcome.id} diverged"


def test_holds_its_gates(outcome: Result, gate: Bounds) -> None:
    broken = gate.broken(outcome)
    facts = ", ".join(
        f"{name.rpartition('/')[2]} {share:.2f}"
        for name, share in outcome.facts.items()
        if share < 1
    )
    assert not broken, f"{'; '.join(broken)}. Facts not always recalled: {facts or 'none'}"


def test_not_worse_than_the_baseline(baseline: Comparison) -> None:
    assert baseline.holds, str(baseline)
