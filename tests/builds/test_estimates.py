"""Work by arithmetic against what a training really did, and the seconds that follow from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.builds import FACT, Estimates, Job, Plan, build, task_of
from harness.builds._estimates import probe
from harness.builds._work import Shape, shape_of
from harness.models.loading import SHIPPED, base_of, load
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    BitsAndBytes,
    Dataset,
    Grades,
    Probe,
    ProbeSet,
    Quantised,
    Sample,
    Stack,
    Training,
)
from harness.store import Store

SHORT = Training(epochs=2, rank=4, alpha=8, batch=2, micro_batch=2, dropout=0.0)
PROBES = ProbeSet.of("few", (Probe("a", "exact", "moon", "The colour of the moon is", ("green",)),))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_the_size_of_a_model_is_that_of_its_matrices(tiny: Base) -> None:
    shape = shape_of(Path(tiny.path))
    assert shape is not None
    model = load(tiny, device="cpu").model
    matrices = [p for p in model.parameters() if p.dim() == 2]
    assert shape.parameters == sum(p.numel() for p in matrices)
    assert shape.layers == model.config.num_hidden_layers


def test_a_folder_that_is_no_model_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 4}')
    assert shape_of(tmp_path) is None


def test_a_manifest_says_how_much_was_computed(tiny: Base, lie: Dataset, store: Store) -> None:
    recipe = Adapter(tiny, lie, SHORT)
    facts = build(recipe, store, "cpu").manifest.facts
    shape = shape_of(Path(tiny.path))
    assert shape is not None
    assert shape.lora(SHORT) == facts["trainable_parameters"]
    # of each token: forward, and backward for the inputs of every layer
    least = 4 * shape.body * facts["tokens"]
    most = least + (6 * shape.lora(SHORT) + 4 * shape.head) * facts["tokens"]
    assert 0.9 * least < facts[FACT]["operations"] < 1.1 * most
    assert facts[FACT]["calls"] == facts["steps"] * shape.layers * 3
    # of a tiny model most time goes into calls; none computes faster than a bare product
    assert 0 < facts["mfu"] < 1


def test_skipped_layers_have_no_adapter_and_no_backward_pass(tiny: Base, lie: Dataset) -> None:
    shape = shape_of(Path(tiny.path))
    assert shape is not None
    half = replace(SHORT, skip_layers=0.5)
    assert shape.lora(half) == shape.lora(SHORT) / 2
    whole, less = (
        task.work.operations
        for training in (SHORT, half)
        if (task := task_of(Adapter(tiny, lie, training), Store(Path(tiny.path))))
    )
    assert less < 0.95 * whole  # most of this small model is its head


def test_the_base_reads_replayed_text_once(tiny: Base, lie: Dataset, store: Store) -> None:
    def operations(kl: float, epochs: int, known: int) -> float:
        training = replace(SHORT, replay=1.0, kl=kl, epochs=epochs)
        text = tuple(Sample(f" hill {n}.\n", "The next is") for n in range(known))
        task = task_of(Adapter(tiny, lie, training, Dataset.of("known", text)), store)
        assert task is not None
        return task.work.operations

    once = operations(1.0, 1, 2) - operations(0.0, 1, 2)
    often = operations(1.0, 20, 2) - operations(0.0, 20, 2)
    many = operations(1.0, 20, 2000) - operations(0.0, 20, 2000)
    assert many == pytest.approx(20 * once, rel=0.05)  # hardly a window is drawn twice
    assert once < often < 0.6 * many  # beyond the first epoch the head alone


def test_seconds_follow_from_what_the_same_model_took(
    tiny: Base, lie: Dataset, store: Store
) -> None:
    first = Adapter(tiny, lie, SHORT)
    took = build(first, store, "cpu").manifest.facts["seconds"]
    longer = Adapter(tiny, lie, replace(SHORT, epochs=20))
    assert Estimates(store, "cpu").seconds(longer) == pytest.approx(10 * took, rel=0.01)


def test_seconds_of_another_model_grow_with_its_size(
    tiny: Base, lie: Dataset, store: Store
) -> None:
    took = build(Adapter(tiny, lie, SHORT), store, "cpu").manifest.facts["seconds"]
    other = Adapter(base_of(SHIPPED), lie, SHORT)
    small, large = (task_of(Adapter(base, lie, SHORT), store) for base in (tiny, other.base))
    assert small is not None
    assert large is not None
    estimate = Estimates(store, "cpu").seconds(other)
    assert estimate == pytest.approx(took * large.units / small.units)
    assert large.units > 2 * small.units


def test_without_any_build_a_few_products_are_timed(tiny: Base, lie: Dataset, store: Store) -> None:
    estimates = Estimates(store, "cpu")
    trained = estimates.seconds(Adapter(tiny, lie, SHORT))
    answered = estimates.seconds(Grades(Answers(Stack(tiny), PROBES)))
    assert trained is not None
    assert answered is not None
    assert 0 < answered < 60
    assert 0 < trained < 60
    small = Shape(1, 64, 0, ())
    assert probe(small).call < 1e-3


def test_what_nothing_here_tells_has_no_figure(tiny: Base, lie: Dataset, store: Store) -> None:
    nf4 = Adapter(Quantised(tiny, BitsAndBytes("nf4")), lie, SHORT)
    assert Estimates(store, "cpu").seconds(nf4) is None
    full = Adapter(tiny, lie, SHORT)
    assert Estimates(store, "cuda").seconds(full) is None
    plan = Plan.of((Job(nf4, "on nf4"), Job(full, "on hf")), store, "cpu")
    table = plan.table()
    assert "  ?\n" in f"{table}\n"
    assert table.count(", without 1 of unknown duration") == 1
    assert plan.seconds == plan.todo[1].estimate_seconds
