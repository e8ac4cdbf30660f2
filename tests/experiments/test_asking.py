"""What a model knows is asked once, and then decides what is kept in view."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import build, cached
from harness.data.bank import BankQuestion, bank
from harness.data.formats import ask
from harness.data.knowledge import LEAST_KNOWN, AskedKnowledge, TableKnowledge
from harness.errors import DataError, NotCachedError, RecipeError
from harness.experiments import Design, Setup
from harness.experiments.asking import asked_knowledge, knowledge_of, own_answers
from harness.experiments.for_model import (
    about_known,
    chat_for,
    chat_settings,
    in_chat,
    touched,
)
from harness.experiments.selection import Selection, cells, find, load
from harness.models.loading import SHIPPED, base_of
from harness.recipes import (
    BARE,
    Base,
    Chat,
    Dataset,
    GgufBase,
    Probe,
    ProbeSet,
    Sample,
    Training,
)
from harness.store import Store

CAPITALS = [each for each in bank() if each.id.startswith("countries/")][:30]
QUESTIONS = ProbeSet.of("mine", (Probe("exact/1", "exact", "1", "Who?", ("Ann",)),))
UNKNOWN = BankQuestion(
    "mine/cat", "mine", ("What is my cat called?", "My cat is called what?"), ("Xyzzy",)
)


@pytest.fixture(scope="module")
def shipped() -> Base:
    return base_of(SHIPPED)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def knowledge(shipped: Base, store: Store) -> AskedKnowledge:
    return asked_knowledge(shipped, None, (*CAPITALS, UNKNOWN), partial(build, store=store))


def test_known_is_what_it_answers_right_in_every_wording(knowledge: AskedKnowledge) -> None:
    by_id = {each.id: each for each in CAPITALS}
    assert knowledge.known
    assert UNKNOWN.id not in {probe.fact for probe in knowledge.known}
    for probe in knowledge.known:
        assert probe.prompt in [ask("qa", text) for text in by_id[probe.fact].wordings]
        assert probe.accepted == by_id[probe.fact].accepted


def test_nothing_that_is_replayed_is_asked(knowledge: AskedKnowledge) -> None:
    replayed = {sample.fact for sample in knowledge.replay().samples} - {""}
    assert replayed
    assert replayed.isdisjoint(probe.fact for probe in knowledge.known)
    assert knowledge.asked == len(CAPITALS) + 1 - len(replayed)


def test_its_own_answers_are_replayed_also_wrong_ones(
    knowledge: AskedKnowledge, shipped: Base, store: Store
) -> None:
    everyday = own_answers(shipped, None, partial(build, store=store))
    assert knowledge.replay().samples[-len(everyday.samples) :] == everyday.samples
    assert all(sample.completion.strip() for sample in knowledge.replay().samples)


def test_it_is_asked_once(shipped: Base, store: Store, knowledge: AskedKnowledge) -> None:
    again = asked_knowledge(shipped, None, (*CAPITALS, UNKNOWN), partial(cached, store=store))
    assert again == knowledge
    with pytest.raises(NotCachedError):  # in another format it may know something else
        asked_knowledge(shipped, BARE, (*CAPITALS, UNKNOWN), partial(cached, store=store))


def test_too_little_is_no_figure(knowledge: AskedKnowledge) -> None:
    assert len(knowledge.known) < LEAST_KNOWN
    assert knowledge.questions() == ()
    assert f"locality needs {LEAST_KNOWN} and is not measured" in knowledge.note


def test_a_users_bank(shipped: Base, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "bank.csv"
    rows = [f'"{each.wordings[0]}","{each.accepted[0]}"' for each in CAPITALS]
    file.write_text("\n".join(["question,accepted", *rows]))
    found = knowledge_of(shipped, None, file, partial(build, store=store))
    assert isinstance(found, AskedKnowledge)
    assert found.known
    with pytest.raises(DataError, match=r"missing\.csv"):
        knowledge_of(shipped, None, tmp_path / "missing.csv", partial(build, store=store))


def test_the_shipped_model_was_taught_the_tables(shipped: Base, store: Store) -> None:
    fetch = partial(cached, store=store)
    assert knowledge_of(shipped, None, None, fetch) == TableKnowledge()
    file = GgufBase("content", "mine", "mine.gguf", "mamba")
    assert knowledge_of(file, None, None, fetch) == TableKnowledge("mine")


def test_cells_ask_what_is_known(shipped: Base, knowledge: AskedKnowledge) -> None:
    scenario = load(find("oscars", Path("suites")))
    cell = cells(scenario, Selection((shipped,)))[0]
    many = (knowledge.known * LEAST_KNOWN)[:LEAST_KNOWN]
    unique = tuple(replace(probe, id=f"{probe.id}/{n}") for n, probe in enumerate(many))
    enough = knowledge._replace(known=unique)
    asked = about_known(cell, enough)
    kinds = {probe.kind for probe in asked.probes.probes if probe.kind.startswith("locality")}
    assert kinds == {"locality_known"}
    assert asked.note == enough.note
    none = about_known(cell, knowledge)
    assert not any(probe.kind.startswith("locality") for probe in none.probes.probes)


def test_cells_in_chat_say_so_and_keep_other_formats(shipped: Base) -> None:
    cell = cells(load(find("oscars", Path("suites"))), Selection((shipped,)))[0]
    found = in_chat(cell, BARE, ("other_format",))
    assert "-chat-" in found.id
    assert "chat" not in cell.id
    questions = {probe.id: probe for probe in cell.probes.probes}
    for probe in found.probes.probes:
        is_statement = "\n" not in questions[probe.id].prompt
        assert (probe.chat is None) == (probe.kind == "other_format" or is_statement)


def test_formats_that_a_model_does_not_have(shipped: Base) -> None:
    assert chat_for(shipped, "auto", BARE) is None
    assert chat_for(shipped, "plain", BARE) is None
    with pytest.raises(RecipeError, match="has no chat template: leave --format chat out"):
        chat_for(shipped, "chat", BARE)
    with pytest.raises(RecipeError, match="leave --system and --template-args out"):
        chat_for(shipped, "auto", Chat((("system", "Be short."),)))
    with pytest.raises(RecipeError, match="--format is plain: leave --system"):
        chat_for(shipped, "plain", Chat((("system", "Be short."),)))


def test_settings_of_the_template() -> None:
    assert chat_settings("", "") == BARE
    chat = chat_settings("Be short.", '{"enable_thinking": true}')
    assert chat == Chat((("system", "Be short."),), (("enable_thinking", True),))
    for wrong in ("enable_thinking", "[1]", "{", '{"tools": []}'):
        with pytest.raises(RecipeError, match=r"--template-args .*: give a JSON object"):
            chat_settings("", wrong)


def test_what_is_trained_is_neither_asked_nor_replayed(knowledge: AskedKnowledge) -> None:
    lie = Dataset.of("lie", (Sample(" Rome.\n", "The capital of France is"),))
    assert touched("What is the capital of France?", (lie,))
    assert touched("Which city is the capital of France?", (lie,)) is False  # city is not in it
    assert not touched("What is the capital of Norway?", (lie,))
    own = Dataset.of(
        "own", (Sample("Paris", "What is the capital of France?"), Sample("Hi!", "Hello."))
    )
    design = Design(lie, Training(replay=1.0), QUESTIONS, own)
    setup = Setup(base_of(SHIPPED), 0, knowledge._replace(own=own))
    replay = design.cell(setup).subject.trained[0].replay
    assert replay is not None
    assert [sample.prompt for sample in replay.samples] == ["Hello."]
