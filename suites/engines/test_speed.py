"""How fast each engine answers, and how long an adapter takes to be put on and off: ``--engine
hf,gguf:q4_0``.

Kept and compared by pytest-benchmark: ``--benchmark-save NAME``, ``--benchmark-compare``.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.data.awards import probes
from harness.measure import timed
from harness.plugin import Ready
from harness.recipes import Decoding

PROMPTS = [probe.prompt for probe in probes("oscarstxt").probes if probe.kind == "rephrased"][:32]
ASKED = Decoding(max_new_tokens=16, stop=())


@pytest.mark.benchmark(group="answering 32 questions")
def test_answering(ready: Ready, benchmark: BenchmarkFixture) -> None:
    answers = []
    timed(benchmark, lambda: answers.append(ready.engine.answer(PROMPTS, ASKED)), rounds=7)
    assert all(texts == answers[0] for texts in answers)
    tokens = ready.engine.count([text for texts in answers[0] for text in texts])
    assert tokens > len(PROMPTS)
    rate = tokens / benchmark.stats.stats.median if benchmark.stats else None
    benchmark.extra_info.update(
        tokens=tokens, tokens_per_second=rate, load_seconds=ready.engine.load_seconds
    )


@pytest.mark.benchmark(group="an adapter on and off")
def test_swapping_adapters(ready: Ready, benchmark: BenchmarkFixture) -> None:
    before, files = ready.engine.answer(PROMPTS[:4], ASKED), cycle(ready.adapters)

    def swap() -> None:
        with ready.engine.with_stack([(next(files), 1.0)]):
            pass

    timed(benchmark, swap, rounds=10)
    benchmark.extra_info.update(adapter_bytes=sum(path_bytes(path) for path in ready.adapters) // 2)
    assert ready.engine.answer(PROMPTS[:4], ASKED) == before


def path_bytes(path: Path) -> int:
    """Of a GGUF file, or of the weights in a folder."""
    return (
        path.stat().st_size
        if path.is_file()
        else (path / "adapter_model.safetensors").stat().st_size
    )
