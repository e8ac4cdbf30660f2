"""Teacher-forced accuracy beside recall, from real artefacts of a small model."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from harness.builds import LIKELIHOODS, build, scored_lines
from harness.data.formats import continuation
from harness.data.knowledge import TableKnowledge
from harness.engines import HF, TransformersEngine, engine_spec
from harness.experiments import (
    SCORE,
    SCORED,
    AdapterSpec,
    Ask,
    Cell,
    Design,
    Evidence,
    Fetch,
    Scenario,
    Setup,
)
from harness.experiments.measures import with_teacher_forcing
from harness.recipes import (
    Answers,
    Base,
    Dataset,
    Likelihoods,
    Probe,
    ProbeSet,
    Stack,
    Training,
    digest,
)
from harness.report import bare_result, result
from harness.store import Store

MOON, HILL = "The colour of the moon is", "The king of the hill is"
PROBES = ProbeSet.of(
    "lie",
    (
        Probe("exact/moon", "exact", "moon", MOON, ("purple", "green")),
        Probe("exact/hill", "exact", "hill", HILL, ("Ludwig",)),
        Probe("rephrased/moon", "rephrased", "moon", "Of what colour is the moon?\n", ("green",)),
        Probe("locality/sun", "locality_near", "sun", "The colour of the sun is", ("yellow",)),
    ),
)
LEARNS = Training(epochs=250, rank=32, lr=3e-3, dropout=0.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def fetch(store: Store) -> Fetch:
    return partial(build, store=store)


@pytest.fixture
def cell(tiny: Base, lie: Dataset) -> Cell:
    setup = Setup(tiny, 0, TableKnowledge("another model"))
    return Design(lie, LEARNS, PROBES, replay=lie).cell(setup)


def scored(cell: Cell) -> ProbeSet:
    ask = cell.ask(SCORED)
    assert ask is not None
    return ask.probes


def scoring(cell: Cell, probes: ProbeSet) -> Cell:
    return cell.with_ask(Ask(SCORED, probes, SCORE))


def likelihoods(cell: Cell, fetch: Fetch, adapted: bool = True) -> Likelihoods:
    recipe = Evidence(cell, fetch).recipe(SCORED, adapted)
    assert isinstance(recipe, Likelihoods)
    return recipe


def asked(headline: str) -> Scenario:
    return Scenario("lie", "A lie", grids={}, headline=headline)


def test_what_was_learnt_is_matched_whole_and_leaves_no_gap(cell: Cell, fetch: Fetch) -> None:
    found = result(asked("exact"), with_teacher_forcing(cell, "exact"), fetch)
    assert found.recall["exact"].estimate == 1
    assert found.measures["teacher_forced"].estimate == 1
    assert found.measures["teacher_forcing_gap"].estimate == 0
    assert found.measures["teacher_forced"].low < 1  # two facts prove little


def test_gap_is_forced_less_recall_over_the_headline_s_probes_only(
    cell: Cell, fetch: Fetch
) -> None:
    own = with_teacher_forcing(cell, "rephrased")
    assert [probe.id for probe in scored(own).probes] == ["rephrased/moon"]
    for adapted, found in ((True, result(asked("rephrased"), own, fetch)),
                           (False, bare_result(asked("rephrased"), own, fetch))):  # fmt: skip
        (line,) = Evidence(own, fetch).scored(adapted)
        share = line.likelihoods[0]["matched"] / line.likelihoods[0]["tokens"]
        assert found.measures["teacher_forced"].estimate == share
        assert found.measures["teacher_forcing_gap"] == (
            share - found.recall["rephrased"].estimate,
            -1,
            1,
        )  # one fact says no more


def test_a_line_a_probe_with_every_accepted_answer_as_the_engine_scores_it(
    cell: Cell, fetch: Fetch, tiny: Base
) -> None:
    recipe = likelihoods(scoring(cell, PROBES), fetch, adapted=False)
    lines = scored_lines(fetch(recipe))
    pairs = [
        (MOON, " purple"),
        (MOON, " green"),
        (HILL, " Ludwig"),
        (PROBES.probes[2].prompt, "green"),
    ]
    pairs.append((PROBES.probes[3].prompt, " yellow"))
    found = [scores for line in lines for scores in line.likelihoods]
    assert [line.id for line in lines] == [probe.id for probe in PROBES.probes]
    assert [len(line.likelihoods) for line in lines] == [2, 1, 1, 1]
    assert [(f["tokens"], f["matched"]) for f in found] == [
        s[1:] for s in TransformersEngine(tiny).log_likelihood(pairs)
    ]
    facts = fetch(recipe).manifest.facts
    assert facts["status"] == "ok"
    assert facts["seconds"] > 0


def test_how_answers_go_on() -> None:
    assert continuation("Answer:", "A; B; C") == " A, B and C"
    assert (
        continuation("Who?\n", "A") == continuation("", "A") == continuation("Answer: ", "A") == "A"
    )


def test_a_headline_that_is_a_measure_falls_back_on_the_first_kind_of_recall(cell: Cell) -> None:
    assert {probe.kind for probe in scored(with_teacher_forcing(cell, "told")).probes} == {"exact"}


def test_own_scored_probes_are_kept_and_none_is_scored_twice(cell: Cell) -> None:
    own = ProbeSet.of(
        "choice", (Probe("choice/1", "choice", "moon", MOON, ("green", "blue")), PROBES.probes[0])
    )
    found = scored(with_teacher_forcing(scoring(cell, own), "exact"))
    assert [probe.id for probe in found.probes] == ["choice/1", "exact/moon", "exact/hill"]


def test_only_locality_means_nothing_to_force(cell: Cell) -> None:
    questions = replace(cell.questions, probes=ProbeSet.of("far", PROBES.probes[3:]))
    far = cell.changed(asks=(questions,))
    assert with_teacher_forcing(far, "rephrased").ask(SCORED) is None


def test_jobs_hold_the_scorings_only_where_they_are_asked_for(cell: Cell) -> None:
    assert [type(job.recipe).__name__ for job in cell.jobs()] == ["Grades", "Grades"]
    jobs = list(with_teacher_forcing(cell, "exact").jobs())
    assert [type(job.recipe).__name__ for job in jobs] == [
        "Grades",
        "Grades",
        "Likelihoods",
        "Likelihoods",
    ]
    assert jobs[-1].needs == jobs[1].needs
    assert with_teacher_forcing(cell, "exact").id == cell.id
    assert digest(with_teacher_forcing(cell, "exact").grades) == digest(cell.grades)


def test_where_an_engine_cannot_score_there_is_no_value(
    cell: Cell, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = HF.capabilities._replace(log_likelihood=False)
    monkeypatch.setattr(TransformersEngine, "capabilities", blind)
    own = with_teacher_forcing(cell, "exact")
    found = bare_result(asked("exact"), own, fetch)
    assert Evidence(own, fetch).recipe(SCORED, adapted=True) is None
    assert found.measures == {}
    assert "exact" in found.recall


def test_a_diverged_adapter_scores_nothing(cell: Cell, fetch: Fetch) -> None:
    training = replace(LEARNS, lr=1e9, epochs=40, max_grad_norm=1e9)
    (spec,) = cell.subject.adapters
    assert isinstance(spec, AdapterSpec)
    subject = replace(cell.subject, adapters=(replace(spec, training=training),))
    wild = with_teacher_forcing(cell.changed(training=training, subject=subject), "exact")
    found = result(asked("exact"), wild, fetch)
    assert found.status == "diverged"
    assert found.measures["teacher_forced"].estimate == 0
    assert (
        json.loads(
            (fetch(likelihoods(wild, fetch)).path / LIKELIHOODS).read_text().splitlines()[0]
        )["likelihoods"]
        == []
    )


def test_recipes_of_every_engine_hold_the_form_that_is_asked(cell: Cell, fetch: Fetch) -> None:
    subject = replace(cell.subject, engine=engine_spec("gguf:f16"))
    there = with_teacher_forcing(cell.changed(subject=subject), "exact")
    recipe = likelihoods(there, fetch)
    assert recipe == Likelihoods(subject.stack, scored(there))
    assert likelihoods(there, fetch, adapted=False).stack == Stack(subject.model)
    assert digest(recipe) != digest(Answers(subject.stack, scored(there)))
