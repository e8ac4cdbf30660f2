"""What `--limits` and `--checkpoint-minutes` take."""

from __future__ import annotations

import pytest

from harness.plugin._options import _limits, _minutes
from harness.report.baselines import Limits


def test_limits_that_are_not_named_stay_as_they_are() -> None:
    assert _limits("quality=0, speed=1.5") == Limits(quality=0.0, speed=1.5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("quality", "give NAME=NUMBER, separated by commas, of quality, bytes, memory, speed"),
        ("beauty=1", "give NAME=NUMBER"),
        ("quality=-0.02", "quality is a share, at least 0 and below 1, such as 0.02"),
        ("quality=1", "quality is a share"),
        ("quality=nan", "quality is a share"),
        ("bytes=0.9", "bytes is a ratio, at least 1 and finite, such as 1.25"),
        ("bytes=1,memory=nan", "memory is a ratio"),
        ("speed=inf", "speed is a ratio"),
    ],
)
def test_limits_that_mean_nothing_are_refused_in_a_line(text: str, line: str) -> None:
    with pytest.raises(pytest.UsageError) as refused:
        _limits(text)
    assert str(refused.value).startswith(f"--limits {text!r}: {line}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["often", "-1", "nan", "inf", ""])
def test_minutes_that_mean_nothing_are_refused_in_a_line(text: str) -> None:
    with pytest.raises(pytest.UsageError) as refused:
        _minutes(text)
    assert str(refused.value) == (
        f"--checkpoint-minutes {text!r}: give a number of at least 0 (0 writes none)"
    )


def test_minutes_may_be_parts_of_one() -> None:
    assert (_minutes("0"), _minutes("0.5")) == (0.0, 0.5)
