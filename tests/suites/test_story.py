"""Stories, forms and probes of the suite `story`."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from tokenizers import Tokenizer

from harness.builds import GradedLine
from harness.data.knowledge import replay
from harness.errors import RecipeError
from harness.models.loading import SHIPPED
from suites.story.scenario import (
    FORMS,
    KINDS,
    SCENARIO,
    SETTING,
    TAIL,
    dataset,
    measures,
    probes,
    stories,
    text,
)
from tests.suites.hand_made import cells_of, evidence, line


def test_a_story_has_a_thousand_characters_and_its_facts_where_they_belong() -> None:
    for story in stories():
        plain = text("plain", story)
        assert 900 <= len(plain) <= 1000
        assert len(story.beginning) == 6
        assert all(fact.sentence in plain[: len(plain) // 2] for fact in story.beginning)
        assert any(fact.id.endswith("-dog") for fact in story.beginning)
        for form in FORMS:
            assert all(fact.sentence in text(form, story)[-TAIL:] for fact in story.end), form


@pytest.mark.parametrize("form", FORMS)
def test_the_tail_does_not_give_the_answer_away(form: str) -> None:
    for probe in probes(form).probes:
        if probe.kind in ("alone", "after_tail"):
            assert not re.search(rf"\b{re.escape(probe.accepted[0])}\b", probe.prompt), probe
        if probe.kind in ("after_whole", "tail_itself"):
            assert probe.accepted[0] in probe.prompt


def test_forms_differ_in_what_stands_before_a_sentence_alone() -> None:
    for story in stories():
        bare = " ".join(re.sub(r"^\d+ ", "", line) for line in text("numbered", story).splitlines())
        assert bare == text("plain", story)
        dates = [line[:10] for line in text("dated", story).splitlines()]
        assert dates == sorted(set(dates))
        assert all(re.fullmatch(r"1987-\d\d-\d\d", date) for date in dates)


@pytest.mark.parametrize("form", FORMS)
def test_no_question_is_in_the_training_text(form: str) -> None:
    trained = {
        sample.prompt for sample in (*dataset(form).samples, *replay().samples) if sample.prompt
    }
    texts = [sample.completion for sample in dataset(form).samples]
    kinds = Counter(
        probe.kind for probe in probes(form).probes if not probe.kind.startswith("locality")
    )
    assert set(kinds) == set(KINDS)
    for probe in probes(form).probes:
        asked = "Question:" + probe.prompt.rpartition("Question:")[2]
        assert asked not in trained
        assert any(told.startswith(probe.prompt) for told in texts) == (probe.kind == "in_place")


def test_a_story_is_one_sample() -> None:
    tokenizer = Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))
    longest = max(
        (sample.completion for form in FORMS for sample in dataset(form).samples), key=len
    )
    assert len(tokenizer.encode(longest).ids) <= SETTING.cutoff


def test_what_is_gained_is_counted_pair_by_pair() -> None:
    def lines(tail: list[bool], whole: list[bool]) -> list[GradedLine]:
        kinds = {"after_tail": tail, "after_whole": whole}
        return [
            line(kind, f"f{number}", "x", right)
            for kind, verdicts in kinds.items()
            for number, right in enumerate(verdicts)
        ]

    bare = lines([True, False, False, False], [True, True, True, False])
    after = lines([True, True, True, False], [False] * 4)
    cell = cells_of(SCENARIO)[0]
    shares = measures(evidence(cell, after, bare))
    assert {name: share.estimate for name, share in shares.items()} == {
        "base_after_tail": 0.25,
        "base_after_whole": 0.75,
        "gained_after_tail": 0.5,
    }
    assert measures(evidence(cell, bare, bare, adapted=False)) == {}


def test_ids_are_unique_and_names_known() -> None:
    for grid in SCENARIO.grids:
        ids = [cell.id for cell in cells_of(SCENARIO, grid)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[\w-]+", name) for name in ids)
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
    with pytest.raises(RecipeError, match="form 'verse' is unknown"):
        dataset("verse")
