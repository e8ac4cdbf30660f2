"""The chat, its probes and its measures."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from harness.data.chat import PEOPLE, facts, held_out_turns, named, trained_turns
from harness.errors import RecipeError
from harness.experiments.measures import style_of
from harness.grading import grade
from harness.models.files import count_tokens
from harness.models.loading import SHIPPED, base_of
from suites.chatlog.scenario import (
    SCENARIO,
    classifier,
    dataset,
    held_out_by_person,
    mentions,
    probes,
    style_probes,
)
from tests.suites.hand_made import cells_of

LONG, SHORT = (dataset(name).samples[0].completion for name in ("chat_long", "chat_short"))


def test_the_chat_is_long_and_short_names_save_tokens() -> None:
    base = base_of(SHIPPED)
    short, long = count_tokens(base, SHORT), count_tokens(base, LONG)
    assert short >= 40_000
    assert 0.1 < 1 - short / long < 0.6


def test_only_the_names_differ() -> None:
    for person in PEOPLE:
        assert LONG.count(f"\n{named(person, 'long')}: ") > 500
    short = LONG
    for person in PEOPLE:
        short = short.replace(named(person, "long"), named(person, "short"))
    assert short == SHORT


def test_each_fact_is_told_as_often_as_its_row_says_and_on_known_days() -> None:
    told = Counter(turn.fact for turn in trained_turns() if turn.fact)
    assert told == {row.id: int(row.slots["mentions"]) for row in facts()}
    for row in facts():
        assert all(
            row.slots["value"] in turn.text and turn.speaker == row.slots["owner"]
            for turn in mentions(row)
        )
    assert not any(turn.fact for turn in held_out_turns())
    assert len({turn.day for turn in held_out_turns()}) == 10


def test_no_probe_but_the_exact_ones_is_training_text() -> None:
    for name, text in (("chat_long", LONG), ("chat_short", SHORT)):
        lines = set(text.splitlines())
        for probe in probes(name).probes:
            last = [line for line in probe.prompt.splitlines() if line][-2:]
            if probe.kind == "exact":
                assert probe.prompt in text
            elif not probe.kind.startswith("locality"):
                assert not lines & {line for line in last if "?" in line}, probe


def test_no_value_is_given_away_by_its_question() -> None:
    for probe in probes("chat_short").probes:
        if not probe.kind.startswith("locality"):
            assert not any(answer.lower() in probe.prompt.lower() for answer in probe.accepted), (
                probe
            )


def test_style_is_asked_on_days_that_are_not_trained_on() -> None:
    for probe in style_probes("chat_short").probes:
        assert probe.prompt not in SHORT
        assert f"{probe.prompt} {probe.accepted[0]}" not in SHORT
    assert Counter(p.fact for p in style_probes("chat_short").probes) == {
        "max": 20,
        "bo": 20,
    }


def test_the_classifier_knows_who_wrote_what_was_held_out() -> None:
    right = [
        classifier().author(text) == who
        for who, texts in held_out_by_person().items()
        for text in texts
    ]
    assert sum(right) / len(right) > 0.95


def test_style_figures_of_the_true_turns_of_the_other_and_of_silence() -> None:
    texts = [(who, text) for who, each in held_out_by_person().items() for text in each[:20]]
    other = {"max": "bo", "bo": "max"}
    true = style_of(texts, classifier(), held_out_by_person())
    swapped = style_of(
        [(other[who], text) for who, text in texts], classifier(), held_out_by_person()
    )
    silent = style_of([(who, "") for who, _ in texts], classifier(), held_out_by_person())
    assert true["style_match"].estimate > 0.95 > 0.05 > swapped["style_match"].estimate
    assert true["style_divergence"].high < swapped["style_divergence"].low
    assert (silent["style_match"].estimate, silent["style_divergence"].estimate) == (0.0, 1.0)


def test_accepted_answers_are_graded_right_and_facts_are_told_apart() -> None:
    for row in facts():
        others = [
            r for r in facts() if r.slots["relation"] == row.slots["relation"] and r.id != row.id
        ]
        assert grade(row.slots["value"], (row.slots["value"],)).right
        assert not any(grade(other.slots["value"], (row.slots["value"],)).right for other in others)


@pytest.mark.parametrize("grid", ["default", "full"])
def test_ids_are_unique(grid: str) -> None:
    ids = [cell.id for cell in cells_of(SCENARIO, grid)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)


def test_unknown_names() -> None:
    with pytest.raises(RecipeError, match="dataset 'mail' is unknown"):
        dataset("mail")
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
