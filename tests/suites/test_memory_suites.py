"""Suites on memory: what is told, what is asked, and that no probe is trained."""

from __future__ import annotations

from functools import partial

import pytest

from harness.builds import build
from harness.data.formats import question
from harness.data.invented_documents import (
    Names,
    asked,
    invented_document,
    oracle,
    probes,
    questions,
)
from harness.data.knowledge import TableKnowledge
from harness.experiments import Cell, Scenario, Setup
from harness.grading import normalise
from harness.memory.learnable import PLAIN, Learnable
from harness.memory.markers import ABSOLUTE, MARKERS, NONE, RELATIVE
from harness.memory.passages import Passage
from harness.memory.trials import text_of
from harness.models.loading import SHIPPED, base_of
from harness.recipes import Routed, is_locality
from harness.store import Store
from suites.document import scenario as document
from suites.longchat import chats
from suites.longchat import scenario as longchat
from suites.rollup import scenario as rollup
from suites.sequence import scenario as sequence

SUITES = (document.SCENARIO, sequence.SCENARIO, rollup.SCENARIO, longchat.SCENARIO)
SETUP = Setup(base_of(SHIPPED), 5, TableKnowledge())
"""Nothing is built: the passages stand for what a model writes about them."""


def cells(scenario: Scenario, grid: str = "default") -> list[Cell]:
    return [design.cell(SETUP) for design in scenario.designs(grid, SETUP)]


@pytest.mark.parametrize("scenario", SUITES, ids=lambda each: str(each.name))
def test_every_cell_routes_its_probes_and_has_its_id(scenario: Scenario) -> None:
    found = cells(scenario)
    assert len({cell.id for cell in found}) == len(found)
    for cell in found:
        assert isinstance(cell.grades.answers, Routed)
        kinds = {probe.kind for probe in cell.probes.probes}
        assert any(map(is_locality, kinds))
        assert scenario.headline in kinds


def test_a_question_in_the_words_of_a_probe_is_not_trained() -> None:
    (paragraph,) = invented_document("d", 1, 5, 0, Names("probe")).paragraphs
    given = Passage(paragraph.text, "d")
    plain = text_of(SETUP, (given,), "d", probes(paragraph.facts), Learnable(PLAIN))
    assert [sample.completion for sample in plain.samples] == [f"{paragraph.text}\n"]
    for fact in paragraph.facts:
        trained = set(map(normalise, questions(fact)))
        assert not trained & {normalise(text) for text in asked(fact).values()}
    words = {normalise(question(each.prompt)) for each in probes(paragraph.facts)}
    kept = oracle("d", paragraph.facts).samples
    assert not words & {normalise(question(sample.prompt)) for sample in kept}


@pytest.mark.parametrize("length", ["1k", "2k", "10k"])
def test_every_fact_is_in_one_passage_and_no_person_in_two(length: str) -> None:
    made, parts = document.document(length, 5), document.passages(length, 5)
    assert len(parts) == len(made.paragraphs)
    for fact in made.facts:
        holding = [part for part in parts if fact.statement in part.text]
        assert len(holding) == 1
    people = [{fact.subject for fact in each.facts} for each in made.paragraphs]
    assert sum(map(len, people)) == len(set().union(*people))


def test_the_first_document_alone_is_the_reference_of_each_way() -> None:
    found = cells(sequence.SCENARIO)
    (alone,) = [cell for cell in found if cell.factors["documents"] == 1]
    for cell in found:
        first = sequence.first_alone(cell)
        assert first.grades == alone.grades, cell.id


def test_a_roll_up_is_compared_with_its_own_stack() -> None:
    found = {cell.id: cell for cell in cells(rollup.SCENARIO)}
    assert len(found) == len(rollup.COUNTS) * len(rollup.METHODS)


def test_a_chat_tells_what_is_asked_and_nothing_of_what_was_never_told() -> None:
    chat = chats.long_chat(300, 5)
    for fact in chat.said:
        turn = chat.turns[fact.turn]
        assert (turn.speaker, fact.value in turn.text) == (fact.speaker, True)
        if fact.earlier:
            before = [t.text for t in chat.turns[: fact.turn] if t.speaker == fact.speaker]
            assert any(fact.earlier in text for text in before)
    told = {fact.id for fact in chat.said}
    assert not told & {fact.id for fact in chat.never}
    assert all(chat.turns[each.turn].text == f"I bought a {each.thing}." for each in chat.bought)
    kinds = {
        how: {p.kind for p in longchat.questions(SETUP.base, 300, 5, how).probes} for how in MARKERS
    }
    assert not {longchat.WHEN, longchat.WHO} & kinds[NONE]
    assert longchat.WHEN in kinds[RELATIVE] & kinds[ABSOLUTE]


def test_what_is_built_is_written_by_the_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    writing = SETUP._replace(fetch=partial(build, store=store))
    (paragraph,) = invented_document("d", 1, 3, 0, Names("writer")).paragraphs
    text = text_of(writing, (Passage(paragraph.text, "d"),), "d", ())
    answers = {sample.completion.strip() for sample in text.samples}
    assert len(answers & {fact.value for fact in paragraph.facts}) >= 2
