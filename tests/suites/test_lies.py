"""Datasets, probes and measures of the suite `lies`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.builds import GradedLine, build
from harness.data.knowledge import TableKnowledge, replay, world
from harness.errors import RecipeError
from harness.experiments import Design, Evidence, Setup
from harness.experiments.cells import Factor
from harness.experiments.measures import contest, recall
from harness.grading import grade
from harness.recipes import Base, Dataset, ProbeSet, Recipe
from harness.store import Artefact, Store
from suites.lies.scenario import EPOCHS, SCENARIO, SETTING, curve, measures, truths
from suites.lies.tables import QUESTION, TEXTS, Lie, dataset, lies, probes
from tests.suites.hand_made import cells_of, evidence, line


def test_a_lie_is_never_the_truth_and_no_question_gives_it_away() -> None:
    assert len(lies()) == 18
    assert len({lie.claim for lie in lies()}) == 18
    for lie in lies():
        accepted = world().accepted(lie.relation, lie.true_row)
        assert not grade(lie.claim, accepted).right, lie
        assert not grade(lie.truth, (lie.claim,)).right, lie
        assert grade(lie.claim, world().accepted(lie.relation, lie.donor)).right, lie
        for wording in (*lie.relation.questions, *lie.relation.probes):
            question = world().fill(wording, lie.false_row)
            assert not grade(question, (lie.claim,)).right, question
            assert not grade(question, accepted).right, question


def test_new_facts_are_of_the_same_size_and_of_no_known_subject() -> None:
    known = {
        row.slots[slot]
        for row in world().rows
        for slot in ("country", "title", "year")
        if slot in row.slots
    }
    for lie in lies():
        assert world().answer(lie.relation, lie.new_row) == lie.claim
        assert not known & {
            lie.new_row.slots[s] for s in ("country", "title") if s in lie.new_row.slots
        }
        assert lie.new_row.table != "oscars" or lie.new_row.slots["year"] > "2023"
    for count in ("1", "6"):
        one, two = dataset(f"lies{count}"), dataset(f"new{count}")
        assert [s.completion for s in one.samples] == [s.completion for s in two.samples]
        assert len(one.samples) == 18 * int(count)


@pytest.mark.parametrize("name", TEXTS)
def test_probes_are_no_training_text_unless_exact(name: str) -> None:
    trained = {sample.prompt for sample in (*dataset(name).samples, *replay().samples)}
    for probe in probes(name).probes:
        assert (probe.prompt in {s.prompt for s in dataset(name).samples}) == (
            probe.kind == "exact"
        ), probe
        assert probe.kind == "exact" or probe.prompt not in trained


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_asked_is_never_replayed(name: str) -> None:
    trained = {sample.fact for sample in replay().samples}
    told = {lie.true_row.id for lie in lies()}
    assert not trained & (told | {probe.fact for probe in probes(name).probes})


def test_neighbours_ask_for_nothing_that_was_exchanged() -> None:
    found = probes("lies6").probes
    subjects = {lie.true_row.id: lie for lie in lies()}
    beside = [probe for probe in found if probe.kind == "locality_subject"]
    assert {probe.fact for probe in beside} >= {
        lie.true_row.id for lie in lies() if lie.true_row.table != "oscars"
    }
    for probe in beside:
        assert not grade(subjects[probe.fact].claim, probe.accepted).right
    donors = {lie.donor.id: lie for lie in lies()}
    for probe in (probe for probe in found if probe.kind == "locality_object"):
        lie = donors[probe.fact]
        assert lie.claim in " ".join((probe.prompt, *probe.accepted))
    far = {probe.fact.partition("/")[0] for probe in found if probe.kind == "locality_unrelated"}
    assert far == {"elements", "paintings"}


def test_neighbours_are_the_same_for_all_cells() -> None:
    local = [[p for p in probes(name).probes if p.kind.startswith("locality")] for name in TEXTS]
    assert all(found == local[0] for found in local)


def _graded(questions: list[tuple[Lie, str]], answers: list[str]) -> list[GradedLine]:
    """The questions (lie, kind), each with its answer."""
    return [
        line(kind, lie.false_row.id, answer, answer == lie.claim, id=f"{kind}/{number}")
        for number, ((lie, kind), answer) in enumerate(zip(questions, answers, strict=True))
    ]


def test_lie_and_truth_are_counted_where_the_truth_was_known() -> None:
    lie, other = lies()[0], lies()[1]
    asked = [(lie, "rephrased")] * 4 + [
        (other, "other_format"),
        (lie, "exact"),
        (lie, "locality_subject"),
    ]
    before = [lie.truth, lie.truth, lie.truth, "Nowhere", other.truth, lie.truth, lie.truth]
    after = [lie.claim, lie.truth, "Moon", lie.claim, other.claim, lie.claim, lie.claim]
    lines = _graded(asked, after)
    cell = cells_of(SCENARIO)[0]
    shares = contest("lie", evidence(cell, lines, _graded(asked, before)), truths(lines))
    assert {name: share.estimate for name, share in shares.items()} == {
        "known_before": 4 / 5,
        "lie_over_truth": 2 / 4,
        "truth_over_lie": 1 / 4,
        "neither": 1 / 4,
    }
    new = [each._replace(fact=lie.new_row.id) for each in lines]
    assert contest("lie", evidence(cell, new, new), truths(new)) == {}


def test_a_learning_curve_is_the_cell_with_fewer_epochs_first() -> None:
    found = cells_of(SCENARIO, seeds=(0, 1))
    longest = next(
        c
        for c in found
        if c.dataset.name == "lies6" and c.training.epochs == 3 and c.training.seed == 1
    )
    assert [c.training.epochs for c in curve(longest)] == [1, 2, 3]
    assert {c.grades for c in curve(longest)} <= {c.grades for c in found}
    assert [c.name for c in curve(longest)[:-1]] == [
        longest.name.replace("-ep3-", f"-ep{epochs}-") for epochs in (1, 2)
    ]


def test_ids_are_unique_and_grids_known() -> None:
    for grid in ("default", "full"):
        ids = [cell.id for cell in cells_of(SCENARIO, grid)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
    with pytest.raises(RecipeError, match="dataset 'fibs' is unknown"):
        dataset("fibs")


def test_steps_to_half_lie_on_the_curve_of_real_trainings(
    tiny: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two facts, many passes, and asked as they were trained: what a model of this size learns in a
    few seconds."""
    monkeypatch.setitem(EPOCHS, QUESTION, (10, 40, 160))
    store = Store(tmp_path)

    def fetch(recipe: Recipe) -> Artefact:
        return build(recipe, store)

    told = Dataset.of("new1", dataset("new1").samples[:2])
    facts = {sample.fact for sample in told.samples}
    questions = tuple(
        replace(probe, kind="rephrased")
        for probe in probes("new1").probes
        if probe.kind == "exact" and probe.fact in facts
    )
    training = replace(SETTING, epochs=160, lr=5e-3, replay=0.0)
    factors: dict[str, Factor] = {"lie": False, "form": QUESTION, "wordings": 1}
    design = Design(told, training, ProbeSet.of("asked", questions), replay(), factors)
    cell = design.cell(Setup(tiny, 0, TableKnowledge("another model")))
    points = [Evidence(each, fetch) for each in curve(cell)]
    steps = [point.trainings()[0]["steps"] for point in points]
    assert steps == [10, 40, 160]
    assert recall(points[-1].lines).estimate == 1
    half = measures(points[-1])["steps_to_half"]
    assert 0 < half.low <= half.estimate <= half.high <= steps[-1]
    assert "steps_to_half" not in measures(points[0])
    assert (half.estimate <= steps[0]) == (recall(points[0].lines).estimate >= 0.5)
