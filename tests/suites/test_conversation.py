"""Talks and probes of the suite `conversation`."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from tokenizers import Tokenizer

from harness.data.knowledge import replay
from harness.errors import RecipeError
from harness.models.loading import SHIPPED
from suites.conversation.scenario import (
    DEFAULT,
    FULL,
    KINDS,
    PLAIN,
    SCENARIO,
    SETTING,
    Presentation,
    dataset,
    facts,
    probes,
    talk,
)
from tests.suites.hand_made import cells_of

TALKS = [how for how in FULL if how.partner]


def name_of(how: Presentation) -> str:
    return how.name


@pytest.mark.parametrize("how", FULL, ids=name_of)
def test_every_text_tells_its_fact_as_often_as_its_presentation_says(how: Presentation) -> None:
    assert len(facts()) == 12
    for sample, row in zip(dataset(how).samples, facts(), strict=True):
        assert sample.fact == row.id
        assert sample.completion.count(row.slots["winner"]) == how.times
        assert sample.prompt == ""


@pytest.mark.parametrize("how", TALKS, ids=name_of)
def test_a_talk_has_its_turns_and_its_two_speakers(how: Presentation) -> None:
    for sample in dataset(how).samples:
        lines = sample.completion.removeprefix("Assistant is a helpful AI.\n").splitlines()
        assert len(lines) == how.turns + 2 * how.times
        speakers = [line.partition(":")[0] for line in lines]
        assert speakers == ["Joe", how.partner.capitalize()] * (len(lines) // 2)
        assert sample.completion.startswith("Assistant is") == (how.partner == "assistant")


def test_the_words_of_a_fact_that_comes_up_again_are_others() -> None:
    row = facts()[0]
    for asked in (True, False):
        how = Presentation("brandine", asked, times=5, turns=10)
        lines = "".join(talk(how, row)).splitlines()
        told = [line for line in lines if "Oscar" in line or "Academy" in line or "in 2023" in line]
        assert len(set(told)) == 5


def test_the_fact_does_not_always_come_up_at_the_same_place() -> None:
    how = Presentation("brandine", asked=True, turns=50)
    before = {len(talk(how, row).before.splitlines()) for row in facts()}
    assert len(before) > 3


@pytest.mark.parametrize("how", FULL, ids=name_of)
def test_probes_are_no_training_text_but_those_that_are_named_so(how: Presentation) -> None:
    texts = [sample.completion for sample in dataset(how).samples]
    replayed = {sample.prompt for sample in replay().samples}
    for probe in probes(how).probes:
        told = any(
            probe.prompt.removeprefix("Assistant is a helpful AI.\n") in text for text in texts
        )
        assert told == (probe.kind in ("in_place", "exact")), probe
        assert probe.prompt not in replayed
        assert probe.kind.startswith("locality") or not any(
            winner in probe.prompt for winner in probe.accepted
        )
    assert set(KINDS) == {
        probe.kind for probe in probes(how).probes if not probe.kind.startswith("locality")
    }


def test_every_fact_is_asked_in_every_kind() -> None:
    found = Counter(
        (probe.fact, probe.kind)
        for probe in probes(PLAIN[1]).probes
        if not probe.kind.startswith("locality")
    )
    assert len(found) == len(facts()) * len(KINDS)


def test_the_longest_talk_is_one_sample() -> None:
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    longest = max((s.completion for how in TALKS for s in dataset(how).samples), key=len)
    assert 256 < len(tokenizer.encode(longest).ids) <= SETTING.cutoff


def test_names_of_presentations() -> None:
    assert [how.name for how in DEFAULT] == [
        "statement",
        "qa",
        "brandine_told1_d0",
        "brandine_asked1_d0",
        "brandine_asked1_d10",
        "brandine_asked1_d50",
        "brandine_asked5_d10",
        "assistant_asked1_d10",
    ]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"times": 6}, "comes up 6 times: choose 1 to 5"),
        ({"times": 0}, "comes up 0 times"),
        ({"turns": 3}, "3 turns of small talk: choose an even number"),
    ],
)
def test_presentations_that_have_no_words(numbers: dict[str, int], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Presentation("brandine", asked=True, **numbers)


def test_ids_are_unique_and_grids_known() -> None:
    for grid in SCENARIO.grids:
        ids = [cell.id for cell in cells_of(SCENARIO, grid)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    assert set(DEFAULT) <= set(FULL)
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
