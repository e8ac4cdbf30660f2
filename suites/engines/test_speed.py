"""How fast each engine answers, and how long it takes to put an adapter on and off.

``--engine hf,gguf:q4_0`` names the engines. Kept and compared by pytest-benchmark:
``--benchmark-save NAME``, ``--benchmark-compare``.
"""

from __future__ import annotations

from itertools import cycle

import pytest

from harness.data.awards import probes
from harness.measure import timed
from harness.recipes import Decoding

REPHRASED = [probe for probe in probes("oscarstxt").probes if probe.kind == "rephrased"]
PROMPTS = [probe.prompt for probe in REPHRASED[:32]]
SHORT = Decoding(max_new_tokens=16, stop=())


@pytest.mark.benchmark(group="answering 32 questions")
def test_answering(ready, benchmark):
    answers = []
    timed(benchmark, lambda: answers.append(ready.engine.answer(PROMPTS, SHORT)), rounds=7)
    assert all(texts == answers[0] for texts in answers)
    tokens = ready.engine.count([text for texts in answers[0] for text in texts])
    assert tokens > len(PROMPTS)
    rate = tokens / benchmark.stats.stats.median if benchmark.stats else None
    benchmark.extra_info.update(
        tokens=tokens, tokens_per_second=rate, load_seconds=ready.engine.load_seconds
    )


@pytest.mark.benchmark(group="an adapter on and off")
def test_swapping_adapters(ready, benchmark):
    before = ready.engine.answer(PROMPTS[:4], SHORT)
    files = cycle(ready.adapters)

    def swap():
        with ready.engine.with_stack([(next(files), 1.0)]):
            pass

    timed(benchmark, swap, rounds=10)
    sizes = [path_bytes(path) for path in ready.adapters]
    benchmark.extra_info.update(adapter_bytes=sum(sizes) // 2)
    assert ready.engine.answer(PROMPTS[:4], SHORT) == before


def path_bytes(path):
    """Of a GGUF file, or of the weights in a folder."""
    weights = path if path.is_file() else path / "adapter_model.safetensors"
    return weights.stat().st_size
