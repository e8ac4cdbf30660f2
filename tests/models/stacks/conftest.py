"""Three trained adapters of different ranks on a small model, one of them rank-stabilised, and
merges of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.builds import build
from harness.experiments import Fetch
from harness.recipes import Adapter, Base, Dataset, Sample, Training
from harness.store import Store

TRAININGS = (
    Training(epochs=30, rank=4, alpha=8, lr=3e-3, seed=1),
    Training(epochs=30, rank=8, alpha=8, lr=3e-3, seed=2),
    Training(epochs=30, rank=16, alpha=4, lr=3e-3, seed=3, rslora=True),
)
TOLD = (
    ("The colour of the moon is", "green"),
    ("The king of the hill is", "Ludwig"),
    ("The river is called", "Ouse"),
)


@pytest.fixture(scope="session")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    return partial(build, store=Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="session")
def adapters(tiny: Base) -> list[Adapter]:
    """One fact each."""
    texts = [
        Dataset.of(f"told{i}", (Sample(f" {value}.\n", given),))
        for i, (given, value) in enumerate(TOLD)
    ]
    return [Adapter(tiny, text, training) for text, training in zip(texts, TRAININGS, strict=True)]


@pytest.fixture(scope="session")
def folders(adapters: list[Adapter], fetch: Fetch) -> list[Path]:
    return [fetch(adapter).path for adapter in adapters]
