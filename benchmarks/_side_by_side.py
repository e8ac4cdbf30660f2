"""Contenders that do the same work in turn, so that other load on the machine meets them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import torch

from harness.measure.machine import threads


class Result(NamedTuple):
    """What one contender did in one round."""

    units: float
    """Steps, answers, or floating-point operations."""
    seconds: float
    outcome: object = None
    """What the work came to: a loss, answers."""


class Row(NamedTuple):
    """A line of the page: a rate beside that of the first contender."""

    name: str
    rate: float
    """Median over the rounds, in units a second."""
    low: float
    high: float
    ratio: float
    """The first contender's rate over this one: the median of the rounds' ratios."""
    outcomes: tuple[object, ...]


def seconds() -> float:
    """Seconds of computing: processor time of this process over its threads.

    On an idle machine it is the time on the clock. Where others compute, too, the clock measures
    them; this does not, but for the caches and the memory that they share.
    """
    return time.process_time() / threads()


def compare(contenders: Mapping[str, Callable[[], Result]], rounds: int) -> list[Row]:
    """Each contender in turn, ``rounds`` times."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            results[name].append(work())
    rates = {name: [r.units / r.seconds for r in each] for name, each in results.items()}
    first = next(iter(rates.values()))
    return [
        Row(
            name,
            median(rates[name]),
            min(rates[name]),
            max(rates[name]),
            median(ours / theirs for ours, theirs in zip(first, rates[name], strict=True)),
            tuple(result.outcome for result in each),
        )
        for name, each in results.items()
    ]


@contextmanager
def as_shipped() -> Iterator[None]:
    """torch as it comes, without what the harness sets for matrix products."""
    matmul: Any = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009  (it has no types)
    before = matmul.fp32_precision
    matmul.fp32_precision = "none"
    try:
        yield
    finally:
        matmul.fp32_precision = before
