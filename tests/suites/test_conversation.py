"""Talks and probes of the suite `conversation`."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from tokenizers import Tokenizer

from harness.errors import RecipeError
from harness.models.loading import SHIPPED
from harness.recipes import Base
from harness.scenarios.conversation import GRIDS, KINDS, cells, dataset, facts, presentation, probes
from harness.scenarios.conversation._grid import SETTING
from harness.scenarios.conversation._talk import talk
from harness.scenarios.oscars import replay

BASE = Base("0", "pocket", "/m")
TALKS = [name for name in GRIDS["full"] if "_" in name]


@pytest.mark.parametrize("name", GRIDS["full"])
def test_every_text_tells_its_fact_as_often_as_its_name_says(name: str) -> None:
    assert len(facts()) == 12
    times = presentation(name).times if name in TALKS else 1
    for sample, row in zip(dataset(name).samples, facts(), strict=True):
        assert sample.fact == row.id
        assert sample.completion.count(row.slots["winner"]) == times
        assert sample.prompt == ""


@pytest.mark.parametrize("name", TALKS)
def test_a_talk_has_its_turns_and_its_two_speakers(name: str) -> None:
    how = presentation(name)
    for sample in dataset(name).samples:
        lines = sample.completion.removeprefix("Assistant is a helpful AI.\n").splitlines()
        assert len(lines) == how.turns + 2 * how.times
        speakers = [line.partition(":")[0] for line in lines]
        assert speakers == ["Joe", how.partner.capitalize()] * (len(lines) // 2)
        assert sample.completion.startswith("Assistant is") == (how.partner == "assistant")


def test_the_words_of_a_fact_that_comes_up_again_are_others() -> None:
    row = facts()[0]
    for name in ("brandine_asked5_d10", "brandine_told5_d10"):
        lines = "".join(talk(name, row)).splitlines()
        told = [line for line in lines if "Oscar" in line or "Academy" in line or "in 2023" in line]
        assert len(set(told)) == 5


def test_the_fact_does_not_always_come_up_at_the_same_place() -> None:
    before = {len(talk("brandine_asked1_d50", row).before.splitlines()) for row in facts()}
    assert len(before) > 3


@pytest.mark.parametrize("name", GRIDS["full"])
def test_probes_are_no_training_text_but_those_that_are_named_so(name: str) -> None:
    texts = [sample.completion for sample in dataset(name).samples]
    replayed = {sample.prompt for sample in replay().samples}
    for probe in probes(name).probes:
        told = any(
            probe.prompt.removeprefix("Assistant is a helpful AI.\n") in text for text in texts
        )
        assert told == (probe.kind in ("in_place", "exact")), probe
        assert probe.prompt not in replayed
        assert probe.kind.startswith("locality") or not any(
            winner in probe.prompt for winner in probe.accepted
        )
    assert set(KINDS) == {
        probe.kind for probe in probes(name).probes if not probe.kind.startswith("locality")
    }


def test_every_fact_is_asked_in_every_kind() -> None:
    found = Counter(
        (probe.fact, probe.kind)
        for probe in probes("qa").probes
        if not probe.kind.startswith("locality")
    )
    assert len(found) == len(facts()) * len(KINDS)


def test_the_longest_talk_is_one_sample() -> None:
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    longest = max((s.completion for name in TALKS for s in dataset(name).samples), key=len)
    assert 256 < len(tokenizer.encode(longest).ids) <= SETTING.cutoff


@pytest.mark.parametrize(
    "name",
    ["chat", "brandine_asked6_d10", "brandine_told0_d0", "brandine_asked1_d3", "carl_told1_d0"],
)
def test_unknown_presentations(name: str) -> None:
    with pytest.raises(RecipeError, match=f"presentation '{name}' is unknown"):
        dataset(name)


def test_ids_are_unique_and_grids_known() -> None:
    for grid in GRIDS:
        ids = [cell.id for cell in cells(grid, [BASE], [0])]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    assert set(GRIDS["default"]) <= set(GRIDS["full"])
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])
