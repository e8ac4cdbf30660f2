"""The duration of a training, predicted from its first epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.loading import resident
from harness.recipes import Adapter, Base, Dataset, Training
from harness.training import forecast, read_log, train


def log(seconds: Sequence[float], epochs: int, tokens: int = 100) -> list[dict[str, Any]]:
    """Steps of ``seconds`` each, epoch after epoch."""
    ends = [sum(seconds[: i + 1]) for i in range(len(seconds))]
    size = len(seconds) // epochs
    return [
        {"epoch": 1 + i // size, "tokens": tokens, "seconds": end} for i, end in enumerate(ends)
    ]


@given(step=st.floats(0.01, 10), epochs=st.integers(1, 5), size=st.integers(2, 8))
def test_equal_steps_are_predicted_exactly(step: float, epochs: int, size: int) -> None:
    predicted = forecast(log([step] * (epochs * size), epochs))
    assert predicted.estimate == pytest.approx(1)
    assert predicted.low <= predicted.estimate <= predicted.high


def test_a_slow_first_step_counts_once() -> None:
    assert forecast(log([5.0, *[1.0] * 11], epochs=3)).estimate == pytest.approx(1)


def test_a_training_that_slows_down_is_predicted_too_short() -> None:
    predicted = forecast(log([1.0] * 4 + [2.0] * 4, epochs=2))
    assert predicted.estimate == pytest.approx(8 / 12)


def test_steps_of_different_size_are_predicted_by_their_tokens() -> None:
    steps = log([1.0, 1.0, 0.5, 1.0, 1.0, 0.5], epochs=2)
    for step, tokens in zip(steps, [100, 100, 50] * 2, strict=True):
        step["tokens"] = tokens
    assert forecast(steps).estimate == pytest.approx(1)


def test_one_step_is_too_few_for_a_forecast() -> None:
    with pytest.raises(ValueError, match="fewer than two steps"):
        forecast(log([1.0, 1.0], epochs=2))


def test_the_log_of_a_real_training(tiny: Base, lie: Dataset, tmp_path: Path) -> None:
    facts = train(
        resident(tiny),
        Adapter(tiny, lie, Training(epochs=3, rank=4, batch=1, micro_batch=1)),
        tmp_path,
    )
    steps = read_log(tmp_path)
    assert sum(step["tokens"] for step in steps) == facts["tokens"]
    assert 0 < forecast(steps).estimate < 10
