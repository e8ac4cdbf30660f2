"""Lies against what a model answered right itself."""

from __future__ import annotations

import zlib
from collections import Counter

import pytest

from harness.data.bank import bank
from harness.data.formats import ask, reply
from harness.data.knowledge import AskedKnowledge
from harness.errors import TooLittleKnownError
from harness.experiments import Cell, Setup
from harness.experiments.measures import contest
from harness.grading import grade, normalise
from harness.recipes import BARE, Dataset, Sample
from suites.lies.asked import LIES, TRAINED, dataset, known_lies, plausible, probes, wordings
from suites.lies.scenario import ASKED_TEXTS, SCENARIO, measures, truths
from tests.suites.hand_made import BASE, evidence, line

RIGHT, WRONG, REPLAYED = (
    [each for each in bank() if zlib.crc32(each.id.encode()) % 8 == part] for part in range(3)
)
KNOWLEDGE = AskedKnowledge(
    "a model",
    len(RIGHT) + len(WRONG),
    (),
    Dataset.of(
        "own_answers",
        tuple(Sample(reply("qa", "x"), ask("qa", each.wordings[0]), each.id) for each in REPLAYED),
    ),
    tuple(RIGHT),
    tuple(WRONG),
)
TEXTS = [(True, True), (True, False), (False, True), (False, False)]


def cells() -> list[Cell]:
    setup = Setup(BASE, 0, KNOWLEDGE, BARE)
    return [design.cell(setup) for design in SCENARIO.designs("default", setup)]


def test_a_lie_is_false_of_what_is_known_and_of_what_is_not() -> None:
    lies = known_lies(KNOWLEDGE)
    assert len(lies) == len({lie.claim for lie in lies}) == LIES
    used = [question.id for lie in lies for question in lie]
    assert len(set(used)) == len(used)
    for lie in lies:
        assert lie.known in RIGHT
        assert lie.donor in RIGHT
        assert lie.unknown in WRONG
        assert lie.known.field == lie.donor.field == lie.unknown.field
        assert grade(lie.claim, lie.donor.accepted).right
        for question in (lie.known, lie.unknown):
            assert not grade(lie.claim, question.accepted).right, lie
            assert not any(grade(text, (lie.claim,)).right for text in question.wordings), lie
    assert max(Counter(lie.known.field for lie in lies).values()) <= 2


def test_the_truth_and_what_gives_the_lie_away_are_no_lie() -> None:
    by_id = {each.id: each for each in bank()}
    france = next(each for each in by_id.values() if "capital of France" in each.wordings[0])
    assert plausible(france, "Oslo")
    assert not plausible(france, "Paris")
    assert not plausible(france, "France")


def test_what_is_known_and_unknown_is_told_alike() -> None:
    for several in (True, False):
        known, unknown = (dataset(KNOWLEDGE, "x", lie, several).samples for lie in (True, False))
        assert [each.completion for each in known] == [each.completion for each in unknown]
        assert len(known) == LIES * (TRAINED if several else 1)
        assert len({each.prompt for each in known}) == len(known)


@pytest.mark.parametrize(("lie", "several"), TEXTS)
def test_only_exact_questions_are_trained(lie: bool, several: bool) -> None:
    trained = {normalise(each.prompt) for each in dataset(KNOWLEDGE, "x", lie, several).samples}
    for probe in probes(KNOWLEDGE, "x", lie, several).probes:
        assert (normalise(probe.prompt) in trained) == (probe.kind == "exact"), probe
    for each in known_lies(KNOWLEDGE):
        told = each.question(lie)
        assert set(told.wordings[1:]) <= set(wordings(told).asked)


def test_nothing_that_is_asked_is_told_or_replayed() -> None:
    told = {question.id for lie in known_lies(KNOWLEDGE) for question in (lie.known, lie.unknown)}
    found = probes(KNOWLEDGE, "x", True, True).probes
    local = [probe for probe in found if probe.kind.startswith("locality")]
    assert {probe.kind for probe in local} == {
        *("locality_object", "locality_relation", "locality_unrelated"),
    }
    assert not told & {probe.fact for probe in local}
    known = {each.id for each in RIGHT}
    assert {probe.fact for probe in local} <= known
    replayed = {sample.fact for sample in KNOWLEDGE.own.samples}
    assert not replayed & (told | {probe.fact for probe in local})
    others = [probes(KNOWLEDGE, "x", *text).probes for text in TEXTS]
    assert all([p for p in each if p in local] == local for each in others)


def test_cells_of_a_model_that_was_asked() -> None:
    found = cells()
    assert {cell.dataset.name for cell in found} == set(ASKED_TEXTS)
    assert all("-chat-" in cell.id for cell in found)
    several = next(cell for cell in found if cell.dataset.name == "lies6")
    turns = [sample for sample in several.dataset.samples if sample.chat]
    assert len(several.dataset.samples) == LIES * TRAINED > len(turns) > LIES * TRAINED / 2


def test_lie_and_truth_are_counted_where_the_model_knew() -> None:
    lie = known_lies(KNOWLEDGE)[0]
    truth = lie.known.accepted[0]
    ids = [{"id": f"rephrased/{number}"} for number in range(3)]
    said = [lie.claim, truth, "the moon"]
    now = [
        line("rephrased", lie.fact(True), text, text == lie.claim, **each)
        for text, each in zip(said, ids, strict=True)
    ]
    bare = [line("rephrased", lie.fact(True), truth, False, **each) for each in ids]
    cell = next(each for each in cells() if each.factors["lie"])
    found = contest("lie", evidence(cell, now, bare), truths(now, KNOWLEDGE))
    shares = ("known_before", "lie_over_truth", "truth_over_lie", "neither")
    assert [round(found[name].estimate, 2) for name in shares] == [1.0, 0.33, 0.33, 0.33]
    # of what it did not know nothing is at stake: only how much of it it knew after all
    other = next(each for each in cells() if not each.factors["lie"])
    unknown = [each._replace(fact=lie.fact(False)) for each in bare]
    assert measures(evidence(other, unknown, unknown))["known_before"].estimate < 1
    assert "lie_over_truth" not in measures(evidence(other, unknown, unknown))


def test_a_model_that_knows_little_is_told_in_one_line() -> None:
    little = KNOWLEDGE._replace(right=KNOWLEDGE.right[:40])
    with pytest.raises(TooLittleKnownError, match=r"a model knows is enough for \d+ lies, 18 are"):
        SCENARIO.designs("default", Setup(BASE, 0, little, BARE))
