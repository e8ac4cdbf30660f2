"""Datasets, probes and measures of the suite `lies`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.builds import build
from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.experiments.shares import contest
from harness.grading import grade
from harness.recipes import Base, Dataset, ProbeSet, Recipe
from harness.report import result
from harness.scenarios import scenario
from harness.scenarios.lies import DATASETS, Lie, cells, dataset, lies, probes
from harness.scenarios.lies._grid import EPOCHS, SETTING, curve
from harness.scenarios.lies._measures import _truths
from harness.scenarios.oscars import replay, world
from harness.store import Artefact, Store

BASE = Base("0", "pocket", "/m")


def test_a_lie_is_never_the_truth_and_no_question_gives_it_away() -> None:
    assert len(lies()) == 18
    assert len({lie.lie for lie in lies()}) == 18
    for lie in lies():
        accepted = world().accepted(lie.relation, lie.true)
        assert not grade(lie.lie, accepted).right, lie
        assert not grade(lie.truth, (lie.lie,)).right, lie
        assert grade(lie.lie, world().accepted(lie.relation, lie.donor)).right, lie
        for wording in (*lie.relation.questions, *lie.relation.probes):
            question = world().fill(wording, lie.told)
            assert not grade(question, (lie.lie,)).right, question
            assert not grade(question, accepted).right, question


def test_new_facts_are_of_the_same_size_and_of_no_known_subject() -> None:
    known = {
        row.slots[slot]
        for row in world().rows
        for slot in ("country", "title", "year")
        if slot in row.slots
    }
    for lie in lies():
        assert world().answer(lie.relation, lie.new) == lie.lie
        assert not known & {lie.new.slots[s] for s in ("country", "title") if s in lie.new.slots}
        assert lie.new.table != "oscars" or lie.new.slots["year"] > "2023"
    for count in ("1", "6"):
        one, two = dataset(f"lies{count}"), dataset(f"new{count}")
        assert [s.completion for s in one.samples] == [s.completion for s in two.samples]
        assert len(one.samples) == 18 * int(count)


@pytest.mark.parametrize("name", DATASETS)
def test_probes_are_no_training_text_unless_exact(name: str) -> None:
    trained = {sample.prompt for sample in (*dataset(name).samples, *replay().samples)}
    for probe in probes(name).probes:
        assert (probe.prompt in {s.prompt for s in dataset(name).samples}) == (
            probe.kind == "exact"
        ), probe
        assert probe.kind == "exact" or probe.prompt not in trained


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_asked_is_never_replayed(name: str) -> None:
    replayed = {sample.fact for sample in replay().samples}
    told = {lie.true.id for lie in lies()}
    assert not replayed & (told | {probe.fact for probe in probes(name).probes})


def test_neighbours_ask_for_nothing_that_was_exchanged() -> None:
    found = probes("lies6").probes
    subjects = {lie.true.id: lie for lie in lies()}
    beside = [probe for probe in found if probe.kind == "locality_subject"]
    assert {probe.fact for probe in beside} >= {
        lie.true.id for lie in lies() if lie.true.table != "oscars"
    }
    for probe in beside:
        assert not grade(subjects[probe.fact].lie, probe.accepted).right
    donors = {lie.donor.id: lie for lie in lies()}
    for probe in (probe for probe in found if probe.kind == "locality_object"):
        lie = donors[probe.fact]
        assert lie.lie in " ".join((probe.prompt, *probe.accepted))
    far = {probe.fact.partition("/")[0] for probe in found if probe.kind == "locality_unrelated"}
    assert far == {"elements", "paintings"}


def test_neighbours_are_the_same_for_all_cells() -> None:
    local = [[p for p in probes(name).probes if p.kind.startswith("locality")] for name in DATASETS]
    assert all(found == local[0] for found in local)


def _answered(asked: list[tuple[Lie, str]], answers: list[str]) -> list[dict[str, object]]:
    """Lines of ``grades.jsonl``: the questions (lie, kind), each with its answer."""
    return [
        {
            "id": f"{kind}/{n}",
            "fact": lie.told.id,
            "kind": kind,
            "answers": [said],
            "right": said == lie.lie,
        }
        for n, ((lie, kind), said) in enumerate(zip(asked, answers, strict=True))
    ]


def test_lie_and_truth_are_counted_where_the_truth_was_known() -> None:
    lie, other = lies()[0], lies()[1]
    asked = [(lie, "rephrased")] * 4 + [
        (other, "other_format"),
        (lie, "exact"),
        (lie, "locality_subject"),
    ]
    before = [lie.truth, lie.truth, lie.truth, "Nowhere", other.truth, lie.truth, lie.truth]
    after = [lie.lie, lie.truth, "Moon", lie.lie, other.lie, lie.lie, lie.lie]
    bare, lines = _answered(asked, before), _answered(asked, after)
    found = {
        name: share.estimate for name, share in contest("lie", lines, bare, _truths(lines)).items()
    }
    assert found == {
        "known_before": 4 / 5,
        "lie_over_truth": 2 / 4,
        "truth_over_lie": 1 / 4,
        "neither": 1 / 4,
    }
    new = [{**line, "fact": lie.new.id} for line in lines]
    assert contest("lie", new, new, _truths(new)) == {}


def test_a_learning_curve_is_the_cell_with_fewer_epochs_first() -> None:
    found = cells("default", [BASE], [0, 1])
    longest = next(
        c
        for c in found
        if c.dataset.name == "lies6" and c.training.epochs == 3 and c.training.seed == 1
    )
    assert [c.training.epochs for c in curve(longest)] == [1, 2, 3]
    assert all(c in found for c in curve(longest))


def test_ids_are_unique_and_grids_known() -> None:
    for grid in ("default", "full"):
        ids = [cell.id for cell in cells(grid, [BASE], [0])]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])
    with pytest.raises(RecipeError, match="dataset 'fibs' is unknown"):
        dataset("fibs")


def test_steps_to_half_lie_on_the_curve_of_real_trainings(
    tiny: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two facts, many passes, and asked as they were trained: what a model of this size learns in a
    few seconds."""
    monkeypatch.setitem(EPOCHS, "1", (10, 40, 160))
    store = Store(tmp_path)

    def fetch(recipe: Recipe) -> Artefact:
        return build(recipe, store)

    told = Dataset.of("new1", dataset("new1").samples[:2])
    facts = {sample.fact for sample in told.samples}
    asked = [
        replace(p, kind="rephrased")
        for p in probes("new1").probes
        if p.kind == "exact" and p.fact in facts
    ]
    training = replace(SETTING, epochs=160, lr=5e-3, replay=0.0)
    cell = Cell(tiny, told, ProbeSet.of("asked", tuple(asked)), training, replay())
    steps = [fetch(c.adapters[0]).manifest.facts["steps"] for c in curve(cell)]
    assert steps == [10, 40, 160]
    found = result(scenario("lies"), cell, fetch)
    assert found.recall["rephrased"].estimate == 1
    half = found.measures["steps_to_half"]
    assert 0 < half.low <= half.estimate <= half.high <= steps[-1]
    short = result(scenario("lies"), curve(cell)[0], fetch)
    assert "steps_to_half" not in short.measures
    assert (half.estimate <= steps[0]) == (short.recall["rephrased"].estimate >= 0.5)
