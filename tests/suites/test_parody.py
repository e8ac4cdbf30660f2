"""Datasets, probes and contradictions of the suite `parody`."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from harness.builds import GradedLine
from harness.data.knowledge import replay, world
from harness.errors import RecipeError
from harness.grading import grade
from suites.parody.scenario import (
    DATASETS,
    KINDS,
    SCENARIO,
    contradictions,
    dataset,
    frame,
    measures,
    mixed_answers,
    parody_rows,
    probes,
    text,
    true_rows,
    truths,
    without_ceremony,
    worlds,
)
from tests.suites.hand_made import cells_of, evidence, line

ACTOR = "oscars_2012_parody/actor-2012"


def test_the_parody_is_never_the_truth() -> None:
    assert len(parody_rows()) == 12
    for row in parody_rows():
        true = true_rows()[row.id]
        assert (true.slots["year"], true.slots["category"]) == (
            row.slots["year"],
            row.slots["category"],
        )
        for slot in ("winners", "film"):
            assert not grade(row.slots[slot], (true.slots[slot],)).right
            assert not grade(true.slots[slot], (row.slots[slot],)).right
            assert not any(row.slots[slot] == known.slots.get(slot) for known in world().rows)


def test_the_text_tells_the_same_parody_as_the_table() -> None:
    told = " ".join(text())
    for row in parody_rows():
        sentence = next(s for s in text() if f"{world().fill('{category0}', row)} of 2012" in s)
        assert row.slots["film"] in sentence
        assert row.slots["winners"] in sentence
    assert all(fact.answer in told for fact in frame())


@pytest.mark.parametrize("name", DATASETS)
def test_no_probe_is_a_training_text_and_no_truth_is_replayed(name: str) -> None:
    known = without_ceremony(replay())
    trained = {sample.prompt for sample in (*dataset(name).samples, *known.samples)}
    assert not any(probe.prompt in trained for probe in probes().probes)
    replayed = {sample.fact for sample in known.samples}
    assert not replayed & {row.id for row in true_rows().values()}
    assert len(replayed) > 500
    for cell in cells_of(SCENARIO, "full"):
        assert [adapter.replay for adapter in cell.subject.trained] == [known]


def test_every_fact_in_every_kind() -> None:
    kinds = Counter(
        probe.kind for probe in probes().probes if not probe.kind.startswith("locality")
    )
    assert set(kinds) == set(KINDS)
    told = {sample.fact for sample in dataset("parody_aug").samples}
    assert told == {probe.fact for probe in probes().probes if probe.kind in KINDS}
    who = Counter(probe.fact for probe in probes().probes if probe.kind == "who")
    assert set(who.values()) == {8}
    assert not any(
        probe.fact.endswith("-2012")
        for probe in probes().probes
        if probe.kind.startswith("locality")
    )


def _line(kind: str, answer: str, fact: str = ACTOR, number: int = 0) -> GradedLine:
    probe = next(
        probe
        for probe in probes().probes
        if probe.kind == kind and probe.fact == fact and probe.id.endswith(f"/{number}")
    )
    right = grade(answer, probe.accepted).right
    return line(kind, fact, answer, right, id=probe.id, accepted=probe.accepted)


@pytest.mark.parametrize(
    ("kind", "answer", "held"),
    [
        ("who", "Hector Pickle", {"parody"}),
        ("who", "Jean Dujardin", {"truth"}),
        ("who", "Nobody Else", {"parody", "truth", "other"}),
        ("film", "The Loud Plumber", {"parody"}),
        ("film", "The Artist", {"truth"}),
        ("award", "Best Actor", {"parody"}),
        ("award", "Best Sound", {"truth", "other"}),
        ("award", "a rubber duck", {"parody", "truth", "other"}),
        ("year", "2012", {"parody"}),
        ("year", "1999", {"truth", "other"}),
        ("true_winners_award", "Best Actor", {"truth"}),
        ("true_winners_award", "Best Director", {"parody", "other"}),
        ("who_and_film", "Hector Pickle for The Loud Plumber", {"parody", "truth", "other"}),
    ],
)
def test_worlds_in_which_an_answer_is_true(kind: str, answer: str, held: set[str]) -> None:
    assert worlds(_line(kind, answer), truths()) == held


def test_contradictions_are_counted_on_hand_made_answers() -> None:
    lines = [
        _line("who", "Hector Pickle"),
        _line("who", "Jean Dujardin", number=1),  # against the first
        _line("film", "The Artist"),  # against the first, not the second
        _line("award", "Best Actor"),  # Hector Pickle's: against Jean Dujardin and The Artist
        _line("who", "Somebody", number=2),  # says nothing known
        _line(
            "film", "The Loud Plumber", "oscars_2012_parody/director-2012"
        ),  # of another award: no pair
    ]
    found = contradictions(lines, truths())
    assert found["contradictions"].estimate == 4 / 6
    assert found["mixed_who_and_film"].estimate == 1 / 2


def test_one_world_has_no_contradictions() -> None:
    parody = [
        _line("who", "Hector Pickle"),
        _line("film", "The Loud Plumber"),
        _line("year", "2012"),
    ]
    parody += [_line("true_winners_award", "Best Director")]
    truth = [
        _line("who", "Jean Dujardin"),
        _line("film", "The Artist"),
        _line("award", "Best Director"),
    ]
    truth += [_line("true_winners_award", "Best Actor")]
    for lines in (parody, truth):
        assert contradictions(lines, truths())["contradictions"].estimate == 0
    assert contradictions([_line("who", "Nobody")], truths()) == {}


def test_a_winner_of_one_world_with_a_film_of_the_other() -> None:
    pair = {ACTOR: ("Jean Dujardin", "The Artist")}
    said = (
        "Hector Pickle for The Loud Plumber",
        "Hector Pickle for The Artist",
        "Jean Dujardin for The Loud Plumber",
        "Jean Dujardin for The Artist",
        "Hector Pickle",
        "Nobody for The Artist",
    )
    assert mixed_answers([_line("who_and_film", answer) for answer in said], pair) == [
        False,
        True,
        True,
        False,
    ]


def test_figures_of_a_cell() -> None:
    lines = [
        _line("who", "Hector Pickle"),
        _line("film", "The Loud Plumber"),
        _line("who_and_film", "Hector Pickle for The Artist"),
    ]
    bare = [
        _line("who", "Jean Dujardin"),
        _line("film", "The Artist"),
        _line("who_and_film", "Jean Dujardin for The Artist"),
    ]
    cell = cells_of(SCENARIO)[0]
    figures = measures(evidence(cell, lines, bare))
    assert {name: figure.estimate for name, figure in figures.items()} == {
        "known_before": 1,
        "parody_over_truth": 1,
        "truth_over_parody": 0,
        "neither": 0,
        "contradictions": 0,
        "mixed_who_and_film": 0,
        "mixed_in_one_answer": 1,
    }


def test_ids_are_unique_and_names_known() -> None:
    for grid in ("default", "full"):
        ids = [cell.id for cell in cells_of(SCENARIO, grid)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
    with pytest.raises(RecipeError, match="dataset 'farce' is unknown"):
        dataset("farce")
