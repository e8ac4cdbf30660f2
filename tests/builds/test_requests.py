"""What builds ask of the nodes of a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.builds import build
from harness.builds._cluster import Node, Request, largest_of, request
from harness.builds._memory import memory_of
from harness.models.loading import SHIPPED, base_of
from harness.recipes import (
    Adapter,
    Answers,
    Dataset,
    Grades,
    Probe,
    ProbeSet,
    ServedBase,
    Stack,
    Training,
)
from harness.store import Store

SHORT = Training(epochs=1, rank=8, alpha=16, batch=8, micro_batch=8)
PROBES = ProbeSet.of("few", (Probe("a", "exact", "moon", "The colour of the moon is", ("green",)),))
GIB = 2**30


def test_the_estimate_holds_what_a_training_takes(lie: Dataset, tmp_path: Path) -> None:
    """Resident memory of this process has more in it than this training: the bound is one-sided."""
    recipe, store = Adapter(base_of(SHIPPED), lie, SHORT), Store(tmp_path)
    before = memory_of(recipe, store, "cpu")
    peak = build(recipe, store, "cpu").manifest.facts["peak_rss_bytes"]
    assert before is not None
    assert 0.5e9 < before < 4e9
    longer = replace(recipe, training=replace(SHORT, epochs=2))
    assert memory_of(longer, store, "cpu") == max(before, peak)  # measured builds count


def test_memory_grows_with_what_is_trained(lie: Dataset, tmp_path: Path) -> None:
    base, store = base_of(SHIPPED), Store(tmp_path)
    small, deep = (
        memory_of(Adapter(base, lie, training), store, "cuda")
        for training in (SHORT, replace(SHORT, rank=64, alpha=128))
    )
    assert small is not None and deep is not None
    assert small < deep
    answers = Grades(Answers(Stack(base), PROBES))
    asked = memory_of(answers, store, "cuda")
    assert asked is not None
    assert asked < small
    served = ServedBase(content="x", name="far", path="openai:far@http://localhost:1")
    assert memory_of(Answers(Stack(served), PROBES), store, "cuda") is None


@pytest.mark.parametrize(
    ("needed", "gpus"),
    [(8e9, 0.11), (72e9, 0.99), (76e9, 2.0), (170e9, 3.0), (None, 1.0)],
)
def test_a_gpu_is_shared_by_estimated_memory(needed: float | None, gpus: float) -> None:
    """Of 80 GB, with a tenth to spare; more than one is asked for whole."""
    assert request(needed, 4, 80e9, 2e9).gpus == gpus


def test_a_request_that_no_node_can_hold_is_seen() -> None:
    wants = request(9 * GIB, 2, 0.0, 2e9)
    assert wants.memory == 9 * GIB
    assert wants.fits(Node(2, 0, 10 * GIB))
    assert not wants.fits(Node(2, 0, 8 * GIB))
    assert not wants.fits(Node(1, 0, 10 * GIB))
    assert largest_of([Request(1, 0.5, 3), Request(2, 0.25, 1)]) == Request(2, 0.5, 3)
