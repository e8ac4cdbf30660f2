"""Smallest detectable differences, by formula and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import detectable_difference, detectable_loss, paired_bootstrap


def test_multiplier_of_bloom_1995() -> None:
    """5% one-sided and 80% power need 2.49 standard errors when there are many observations."""
    assert detectable_difference(10_001, 100.0) == pytest.approx(2.49, abs=0.005)


@given(st.integers(3, 500), st.integers(1, 10), st.floats(0, 1))
def test_more_facts_or_questions_detect_smaller_losses(
    facts: int, questions: int, together: float
) -> None:
    smallest = detectable_loss(facts, questions, together)
    assert 0 < smallest <= 1
    assert detectable_loss(facts + 1, questions, together) <= smallest + 1e-6
    assert detectable_loss(facts, questions + 1, together) <= smallest + 1e-6
    assert detectable_loss(facts, questions, together, alpha=0.01) >= smallest - 1e-6
    assert detectable_loss(facts, questions, together, tolerance=0.05) >= smallest - 1e-6
    assert detectable_difference(facts + 1, 0.3) <= detectable_difference(facts, 0.3)


@pytest.mark.parametrize(
    ("facts", "questions", "together"), [(23, 8, 0), (23, 8, 1), (100, 5, 0), (100, 5, 1)]
)
def test_the_test_detects_the_predicted_loss(facts: int, questions: int, together: float) -> None:
    loss = detectable_loss(facts, questions, together, tolerance=0.02)
    rng = np.random.default_rng(0)
    detected = 0
    runs = 100
    clusters = np.repeat(np.arange(facts), questions)
    for _ in range(runs):
        draws = rng.random(facts)[clusters] if together else rng.random(len(clusters))
        after = (draws >= loss).astype(float)
        p = paired_bootstrap(
            [1.0] * len(after), after.tolist(), clusters.tolist(), "less", 0.02, resamples=500
        ).p
        detected += p <= 0.05
    assert detected / runs >= 0.65  # 80% by the formula, which is rough for few, whole facts


def test_one_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="need at least 2"):
        detectable_difference(1, 0.1)
