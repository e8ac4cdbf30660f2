"""A long chat of two people: does an adapter write as each of them does, and know what they told?

``-k chat2023``, ``-k chat_long`` and the like select.
"""

import pytest

from harness.plugin.checks import *
from harness.report import Result

SCENARIO = "chatlog"


def test_the_first_epoch_forecasts_the_time(
    outcome: Result, request: pytest.FixtureRequest
) -> None:
    """Within a tenth, where there is more than one epoch, and the first is long enough to time."""
    if hasattr(request.config, "workerinput"):
        pytest.skip("other workers of -n change the pace of the training: run without -n")
    forecast = outcome.measures["time_forecast"]
    if forecast.high - forecast.low > 0.2:
        pytest.skip(f"the first epoch is too short to be timed: {forecast}")
    assert 0.9 <= forecast.estimate <= 1.1
