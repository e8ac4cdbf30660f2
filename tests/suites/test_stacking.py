"""Datasets, probes, cells and figures of the suite `stacking`."""

from __future__ import annotations

import pytest

from harness.builds import Job
from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import MERGES, Adapter, Base, Merged, digest, is_locality
from harness.scenarios.oscars import replay
from harness.scenarios.stacking import (
    SCENARIO,
    cells,
    elsewhere,
    facts,
    one,
    probes,
    questions,
    together,
)
from harness.scenarios.stacking._grid import reference

BASE = Base("0", "pocket", "/m")


def labelled(grid: str = "full", seed: int = 0) -> dict[str, Cell]:
    return {cell.label: cell for cell in cells(grid, [BASE], [seed])}


def test_the_ten_are_told_once_together_and_once_apart() -> None:
    assert len(facts()) == len(set(facts())) == 10
    apart = [sample for fact in facts() for sample in one(fact).samples]
    assert sorted(apart, key=repr) == sorted(together().samples, key=repr)


def test_no_probe_but_the_exact_ones_is_a_training_text() -> None:
    trained = {sample.prompt for sample in (*together().samples, *replay().samples)}
    assert not any(probe.prompt in trained for probe in probes().probes if probe.kind != "exact")
    assert not {s.fact for s in replay().samples} & {
        p.fact for p in probes().probes if is_locality(p.kind)
    }
    assert {p.fact for p in questions().probes} == set(facts())


def test_what_an_adapter_is_held_to_elsewhere_tells_no_fact_and_is_no_probe() -> None:
    asked = {probe.prompt for probe in probes().probes if probe.kind != "exact"}
    told = {
        name
        for fact in facts()
        for probe in probes().probes
        if probe.fact == fact
        for name in probe.accepted
    }
    for fact in facts():
        held = elsewhere(fact)
        assert not {sample.prompt for sample in held.samples} & (
            asked | {s.prompt for s in one(fact).samples}
        )
        assert (
            not {sample.completion.strip() for sample in held.samples if "2023" in sample.prompt}
            & told
        )
    assert len({elsewhere(fact).content for fact in facts()}) == len(facts())


def test_ids_differ_and_every_method_is_a_cell() -> None:
    for grid in ("default", "full"):
        ids = [cell.id for cell in cells(grid, [BASE], [0, 1])]
        assert len(ids) == len(set(ids))
    assert set(MERGES) - {"sum"} <= set(labelled())
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])


def test_ten_adapters_begin_differently_and_merges_share_them() -> None:
    found = labelled("default")
    stacked = found["sum"].trained
    assert (
        len({digest(adapter) for adapter in stacked})
        == len({a.training.seed for a in stacked})
        == 10
    )
    merge = found["ties"].adapters
    assert isinstance(merge[0], Merged)
    assert {digest(a) for a in found["ties"].trained} == {digest(a) for a in stacked}
    assert not {a.training.seed for a in stacked} & {
        a.training.seed for a in labelled("default", 1)["sum"].trained
    }


def test_on_top_is_a_tower_that_is_planned_from_below() -> None:
    cell = labelled()["on_top"]
    tower = cell.trained
    assert [len(adapter.frozen_adapters) for adapter in tower] == list(range(10))
    built: set[str] = set()

    def visit(job: Job) -> None:
        for need in job.needs:
            visit(need)
        if isinstance(job.recipe, Adapter):
            assert {digest(lora) for lora, _ in job.recipe.frozen_adapters} <= built
        built.add(digest(job.recipe))

    for job in cell.jobs():
        visit(job)


def test_every_cell_is_held_against_the_one_adapter_of_its_seed() -> None:
    for grid in ("default", "full"):
        for cell in cells(grid, [BASE], [3]):
            assert reference(cell).id == labelled(grid, 3)["one_adapter"].id
            assert digest(reference(cell).grades) == digest(labelled(grid, 3)["one_adapter"].grades)


def test_it_is_registered() -> None:
    from harness.scenarios import scenario

    assert scenario("stacking") is SCENARIO
