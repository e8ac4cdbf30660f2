"""Datasets, probes, cells and figures of the suite `stacking`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import Job, build
from harness.data.awards import ten_dataset, ten_facts
from harness.data.knowledge import replay
from harness.errors import RecipeError
from harness.experiments import (
    EACH,
    GRADE,
    PER_ADAPTER,
    QUESTIONS,
    AdapterSpec,
    Ask,
    Cell,
    Evidence,
)
from harness.experiments.selection import Selection, cells
from harness.recipes import MERGES, Adapter, Base, Merged, ProbeSet, digest, is_locality
from harness.store import Store
from suites.stacking.scenario import (
    SCENARIO,
    elsewhere,
    findings,
    measures,
    one_adapter,
    one_fact,
    probes,
    rephrased_probes,
    winners,
)

BASE = Base("0", "pocket", "/m")


def labelled(grid: str = "full", seed: int = 0) -> dict[str, Cell]:
    return {cell.label: cell for cell in cells(SCENARIO, Selection((BASE,), grid, (seed,)))}


def test_the_ten_are_told_once_together_and_once_each() -> None:
    assert len(ten_facts()) == len(set(ten_facts())) == 10
    alone = [sample for fact in ten_facts() for sample in one_fact(fact).samples]
    assert sorted(alone, key=repr) == sorted(ten_dataset().samples, key=repr)


def test_no_probe_but_the_exact_ones_is_a_training_text() -> None:
    trained = {sample.prompt for sample in (*ten_dataset().samples, *replay().samples)}
    assert not any(probe.prompt in trained for probe in probes().probes if probe.kind != "exact")
    untouched = {probe.fact for probe in probes().probes if is_locality(probe.kind)}
    assert not {sample.fact for sample in replay().samples} & untouched
    assert {probe.fact for probe in rephrased_probes().probes} == set(ten_facts())


def test_what_an_adapter_is_held_to_elsewhere_tells_no_fact_and_is_no_probe() -> None:
    questions = {probe.prompt for probe in probes().probes if probe.kind != "exact"}
    names = {name for accepted in winners().values() for name in accepted}
    for fact in ten_facts():
        samples = elsewhere(fact, replay()).samples
        own = {sample.prompt for sample in one_fact(fact).samples}
        assert not {sample.prompt for sample in samples} & (questions | own)
        of_2023 = {sample.completion.strip() for sample in samples if "2023" in sample.prompt}
        assert not of_2023 & names
    contents = {elsewhere(fact, replay()).content for fact in ten_facts()}
    assert len(contents) == len(ten_facts())


def test_every_method_is_a_cell() -> None:
    assert set(MERGES) - {"sum"} <= set(labelled())
    assert {cell.factors["combined"] for cell in labelled().values()} == {*MERGES}
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        labelled("huge")


def test_ten_adapters_begin_differently_and_merges_share_them() -> None:
    by_label = labelled("default")
    stacked = by_label["sum"].subject.trained
    assert len({digest(adapter) for adapter in stacked}) == 10
    assert len({adapter.training.seed for adapter in stacked}) == 10
    (merged,) = by_label["ties"].subject.loras
    assert isinstance(merged, Merged)
    parts = by_label["ties"].subject.trained
    assert {digest(adapter) for adapter in parts} == {digest(adapter) for adapter in stacked}
    other_seed = labelled("default", 1)["sum"].subject.trained
    seeds = {adapter.training.seed for adapter in stacked}
    assert not seeds & {adapter.training.seed for adapter in other_seed}


def test_on_top_is_a_tower_that_is_planned_from_below() -> None:
    cell = labelled()["on_top"]
    tower = cell.subject.trained
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


@pytest.mark.parametrize("grid", ["default", "full"])
def test_every_cell_is_compared_with_the_one_adapter_of_its_seed(grid: str) -> None:
    by_label = labelled(grid, 3)
    expected = by_label["one_adapter"]
    for cell in by_label.values():
        assert one_adapter(cell).id == expected.name
        assert one_adapter(cell).ask(QUESTIONS) == expected.ask(QUESTIONS)
        assert digest(one_adapter(cell).grades) == digest(expected.grades)
        assert one_adapter(cell).factors == expected.factors


def test_measures_and_findings_of_a_small_model(tiny: Base, tmp_path: Path) -> None:
    """The two adapters are trained next to nothing; one question a fact."""
    fetch = partial(build, store=Store(tmp_path / "store"))
    (cell,) = (
        cell for cell in cells(SCENARIO, Selection((tiny,), "full")) if cell.label == "usual"
    )
    specs = tuple(
        replace(spec, training=replace(spec.training, epochs=1, replay=0.0, kl=0.0))
        for spec in cell.subject.adapters[:2]
        if isinstance(spec, AdapterSpec)
    )
    few = {probe.fact: probe for probe in rephrased_probes().probes}
    questions = ProbeSet.of("few", tuple(few.values()))
    asks = (Ask(QUESTIONS, questions), Ask(PER_ADAPTER, questions, GRADE, EACH))
    small = cell.changed(subject=replace(cell.subject, adapters=specs), asks=asks)
    evidence = Evidence(small, fetch)
    figures = measures(evidence)
    assert {"alone", "leaked"} <= figures.keys()
    assert measures(Evidence(small, fetch, adapted=False)) == {}
    costs, matrix = findings([evidence])
    assert f"| {small.id} " in costs.text
    assert matrix.title == f"Interference of {small.id}"
    rows = [line for line in matrix.text.splitlines() if line.startswith(("| 1 ", "| 2 "))]
    assert [row.count("**") for row in rows] == [2, 2]
