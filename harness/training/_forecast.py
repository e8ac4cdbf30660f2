"""How long a training takes, as its first epoch foretells it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import stdev
from typing import Any

from harness.stats import Interval
from harness.training._train import LOG

Step = Mapping[str, Any]
"""A line of log.jsonl: ``epoch`` from 1, ``tokens`` of the step, ``seconds`` since the start."""


def read_log(folder: Path) -> list[Step]:
    """The steps of the training of the adapter in ``folder``."""
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def forecast(log: Sequence[Step]) -> Interval:
    """Foretold seconds over measured ones; 1 is a forecast that came true.

    The time of a token is taken from the first epoch without its first step, which also warms up; the tokens of the
    epochs to come are known beforehand. The interval is that of the mean time of a token over those steps, by the
    normal approximation. Raises ValueError where the first epoch has fewer than two steps.
    """
    ends = [0.0, *(float(step["seconds"]) for step in log)]
    spent = [after - before for before, after in pairwise(ends)]
    seen = [i for i in range(1, len(log)) if log[i]["epoch"] == 1]
    if not seen:
        raise ValueError("the first epoch has fewer than two steps: lower the batch size")
    each = [spent[i] / log[i]["tokens"] for i in seen]
    rate = sum(spent[i] for i in seen) / sum(log[i]["tokens"] for i in seen)
    error = 1.96 * stdev(each) / math.sqrt(len(each)) if len(each) > 1 else rate
    rest = sum(step["tokens"] for step in log[1:])
    low, estimate, high = ((spent[0] + r * rest) / ends[-1] for r in (max(0.0, rate - error), rate, rate + error))
    return Interval(estimate, low, high)
