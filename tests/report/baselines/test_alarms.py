"""How often a baseline cries wolf, and how often it sees one: on real verdicts of 23 facts.

The cell is ``oscars_aug-rank64-alpha128-lr1e_3-ep5-replay2`` of the shipped model, see reruns.py.
Figures of longer runs stand in docs/explanation/baselines.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.report.baselines import compare
from tests.report.baselines import reruns


def _alarms(
    make: Callable[[np.random.Generator], tuple[reruns.Lines, reruns.Lines]], runs: int
) -> float:
    """Share of ``runs`` in which ``make(rng) -> before, after`` is called worse."""
    hits = 0
    for run in range(runs):
        before, after = make(np.random.default_rng(run))
        hits += bool(compare(reruns.kept(before), after, {}, cell="c", baseline="b").worse)
    return hits / runs


@pytest.mark.parametrize("redrawn", [reruns.questions_redrawn, reruns.facts_redrawn])
def test_200_reruns_of_an_unchanged_model_alarm_in_5_percent_at_most(
    redrawn: Callable[..., Any],
) -> None:
    assert _alarms(lambda rng: (redrawn(rng), redrawn(rng)), 200) <= 0.05


def test_10_points_of_recall_lost_are_caught() -> None:
    """Greedy answers, which do not change by themselves, and answers that are sampled anew."""
    same = reruns.one(0)
    assert _alarms(lambda rng: (same, reruns.lose_questions(same, 0.1, rng)), 100) >= 0.95
    again = reruns.questions_redrawn
    assert (
        _alarms(lambda rng: (again(rng), reruns.lose_questions(again(rng), 0.1, rng)), 100) >= 0.95
    )


def test_two_whole_facts_of_23_are_no_evidence() -> None:
    """A coin shows heads twice running one time in four. More facts are what helps, not more
    wordings."""
    same = reruns.one(0)
    assert _alarms(lambda rng: (same, reruns.lose_facts(same, 0.1, rng)), 20) == 0.0
