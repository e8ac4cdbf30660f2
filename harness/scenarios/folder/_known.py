"""What the shipped model knows, without what a user's text is about: replayed against it, a lie would not be learnt."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from harness.grading import normalise
from harness.recipes import Dataset, Probe
from harness.scenarios import oscars

PER_LOCALITY = 120
"""Questions of each kind on what must not change; of a kind that has fewer, all."""


def known_probes(dataset: Dataset) -> list[Probe]:
    """Questions on known facts that ``dataset`` does not touch, for locality."""
    touched = _touched(dataset)
    return [probe for probe in oscars.locality(PER_LOCALITY) if not touched(probe.fact)]


@cache
def known_replay(dataset: Dataset) -> Dataset:
    """Questions on known facts that ``dataset`` does not touch, with their answers, for replay."""
    replay, touched = oscars.replay(), _touched(dataset)
    kept = tuple(sample for sample in replay.samples if not touched(sample.fact))
    return replay if len(kept) == len(replay.samples) else Dataset.of(replay.name, kept)


def _touched(dataset: Dataset) -> Callable[[str], bool]:
    """Whether one training text has all words of a fact's key: of ``oscars/supporting_actor-1999``, three."""
    texts = [set(normalise(sample.prompt + sample.completion).split()) for sample in dataset.samples]
    words = set().union(*texts)

    @cache
    def touched(fact: str) -> bool:
        key = set(normalise(fact.rpartition("/")[2].replace("_", " ")).split())
        return key <= words and any(key <= text for text in texts)

    return touched
