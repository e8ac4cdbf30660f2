"""What rank costs: disk, memory, the time to put an adapter on, and to answer with it.

Kept and compared by pytest-benchmark: ``--benchmark-save NAME``, ``--benchmark-compare``.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.experiments import Cell
from harness.measure import timed
from harness.plugin import Ready
from harness.plugin.checks import *
from harness.recipes import Decoding

SCENARIO = "size"
SHORT = Decoding(max_new_tokens=16, stop=())


@pytest.mark.benchmark(group="an adapter put on, by rank")
def test_putting_on(ready_cell: Ready, cell: Cell, benchmark: BenchmarkFixture) -> None:
    def put_on() -> None:
        with ready_cell.engine.with_stack([(file, 1.0) for file in ready_cell.adapters]):
            pass

    timed(benchmark, put_on, rounds=5)
    benchmark.extra_info.update(rank=cell.training.rank)


@pytest.mark.benchmark(group="16 questions answered, by rank")
def test_answering(ready_cell: Ready, cell: Cell, benchmark: BenchmarkFixture) -> None:
    timing = cell.ask("timing")
    assert timing is not None
    prompts = [probe.prompt for probe in timing.probes.probes]
    answers: list[list[list[str]]] = []
    with ready_cell.engine.with_stack([(file, 1.0) for file in ready_cell.adapters]):
        timed(benchmark, lambda: answers.append(ready_cell.engine.answer(prompts, SHORT)), rounds=3)
    assert all(texts == answers[0] for texts in answers)
    benchmark.extra_info.update(rank=cell.training.rank)
