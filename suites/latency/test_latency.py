"""How long a reply takes, idle and while the memory learns.

Kept and compared by pytest-benchmark: ``--benchmark-save NAME``, ``--benchmark-compare``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.data.awards import dataset
from harness.engines import StreamingEngine, streaming_for
from harness.measure import timed
from harness.memory import DEFAULTS, Memory
from harness.memory.documents import Document
from harness.memory.learner import LEARNING, Learner, progress
from harness.models.loading import SHIPPED
from harness.recipes import Decoding, Prompt
from harness.stats import ratio_bootstrap

ASKED = Decoding(max_new_tokens=32, stop=())
QUESTION = "Which film won the Academy Award for Best Picture in 2023?"
ROUNDS = 15
BAR = 0.5
"""Least share of the idle speed that is left while the memory learns."""
_PATIENCE = 300.0
_PAUSE = 0.3
"""Seconds that a resumed learner computes before a round begins."""


class Talk(NamedTuple):
    """A memory that knows one document and learns another one for a long time."""

    memory: Memory
    engine: StreamingEngine
    learner: psutil.Process

    def reply(self) -> Iterator[str]:
        """As the server makes one: the memory chooses, adapters go on, tokens come."""
        turned = self.memory.prepare("latency", QUESTION)
        with self.engine.with_stack(turned.adapters):
            yield from self.engine.stream(turned.prompt, ASKED)

    @contextmanager
    def learning(self, really: bool) -> Iterator[None]:
        """Let the learner compute in a ``with`` block, or hold it for that long."""
        if really:
            self.learner.resume()
            time.sleep(_PAUSE)
        yield
        self.learner.suspend()

    def steps(self) -> int:
        """Steps of the current training that are done."""
        found = progress(self.memory.folder)
        assert found.state == LEARNING, f"the learner does not learn: {found.reason}"
        return found.step


@pytest.fixture(scope="module")
def talk(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    model = str((pytestconfig.getoption("model") or [SHIPPED])[0])
    settings = DEFAULTS.changed(("how=plain", "training.epochs=1"), "settings")
    folder = tmp_path_factory.mktemp("latency") / "memory"
    with Memory.create(folder, model, settings) as memory:
        memory.add(Document("oscars.txt", _text("oscarstxt")))
        while work := memory.next_work():
            assert memory.learn(work).adapter
        memory.configure(["training.epochs=10000"])
        memory.add(Document("more.txt", _text("oscars_aug")))
        with Learner.start(folder, model) as learner:
            end = time.monotonic() + _PATIENCE
            while not progress(folder).step:
                assert time.monotonic() < end, f"nothing is learnt: {progress(folder)}"
                time.sleep(0.1)
            process = psutil.Process(learner.process.pid)
            process.suspend()
            yield Talk(memory, streaming_for(memory.base.path), process)
            process.resume()  # so that it can end


@pytest.mark.parametrize("learns", [False, True], ids=["idle", "learning"])
@pytest.mark.benchmark(group="time to the first token")
def test_first_token(talk: Talk, learns: bool, benchmark: BenchmarkFixture) -> None:
    pieces: list[str] = []
    with talk.learning(learns):
        timed(benchmark, lambda: pieces.append(next(talk.reply())), rounds=ROUNDS)
    assert all(pieces)


@pytest.mark.parametrize("learns", [False, True], ids=["idle", "learning"])
@pytest.mark.benchmark(group="a whole reply")
def test_reply(talk: Talk, learns: bool, benchmark: BenchmarkFixture) -> None:
    replies: list[str] = []
    with talk.learning(learns):
        timed(benchmark, lambda: replies.append("".join(talk.reply())), rounds=ROUNDS)
    assert len(set(replies)) == 1
    tokens = talk.engine.count(replies[:1])
    rate = tokens / benchmark.stats.stats.median if benchmark.stats else None
    benchmark.extra_info.update(tokens=tokens, tokens_per_second=rate)


def test_half_the_speed_is_left_while_it_learns(talk: Talk) -> None:
    """Rounds idle and while learning take turns, so that other load falls on both."""
    prompt = talk.memory.prepare("latency", QUESTION).prompt
    seconds: dict[bool, list[float]] = {False: [], True: []}
    before = talk.steps()
    for _ in range(ROUNDS):
        for learns, found in seconds.items():
            with talk.learning(learns):
                found.append(_seconds(talk.engine, prompt))
    assert talk.steps() > before, "nothing was learnt meanwhile"
    left = ratio_bootstrap(seconds[False], seconds[True], range(ROUNDS))
    idle, learning = (median(found) for found in seconds.values())
    print(f"seconds idle {idle:.3f}, while learning {learning:.3f}; speed that is left {left}")
    assert left.estimate >= BAR


def _seconds(engine: StreamingEngine, prompt: Prompt) -> float:
    """From the first piece of a reply to its end."""
    stream = engine.stream(prompt, ASKED)
    next(stream)
    began = time.perf_counter()
    assert list(stream), "the reply has one token: the model says too little to be timed"
    return time.perf_counter() - began


def _text(name: str) -> str:
    return "\n\n".join(sample.text for sample in dataset(name).samples)
