"""What each policy gives a question of a shelf, and when it gives nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from harness.data.formats import ask, question
from harness.data.invented_documents import Names, invented_document, probes
from harness.data.knowledge import some_locality_questions
from harness.errors import RecipeError
from harness.memory.passages import Passage
from harness.memory.policies import (
    LEAST,
    POLICIES,
    AlwaysOn,
    Beside,
    FullContext,
    Lora,
    LoraAndRetrieval,
    Prepared,
    Retrieval,
    Shelf,
    Shelved,
    Window,
    in_context,
    policy_named,
)
from harness.recipes import Chat, ChatPrompt, Probe, ProbeSet

TEXTS = (
    "Ada Quill lives in Oslo. She keeps a parrot.",
    "Bo Lind works as a baker in a small town.",
    "Cleo Marr was born in 1983 by the sea.",
    "Ada Quill bought a lamp at the market.",
)
PASSAGES = tuple(Passage(text, "people", place) for place, text in enumerate(TEXTS))
EACH = [[0], [1], [2], [3]]
ADA = "In which city does Ada Quill live?"
MOON = "How far away is the moon?"


def words(text: str) -> int:
    return len(text.split())


def shelf(adapters: list[list[int]], room: int = 100) -> Shelf:
    return Shelf.of(PASSAGES, adapters, words, room)


def test_an_adapter_is_on_only_for_what_it_knows() -> None:
    assert Lora().prepare(ADA, shelf(EACH)) == Prepared(adapters=(0,))
    assert Lora().prepare("What is the job of Bo Lind?", shelf(EACH)).adapters == (1,)
    assert Lora(count=2).prepare("Ada Quill", shelf(EACH)).adapters == (0, 3)
    by_half = shelf([[0, 1], [2, 3]])
    assert Lora().prepare("When was Cleo Marr born?", by_half).adapters == (1,)
    assert AlwaysOn().prepare(MOON, by_half).adapters == (0, 1)


@pytest.mark.parametrize("name", ["lora", "retrieval", "lora_and_retrieval", "closed_book"])
def test_a_question_about_something_else_gets_nothing(name: str) -> None:
    assert policy_named(name).prepare(MOON, shelf(EACH)) == Prepared()


def test_retrieval_reads_in_the_order_of_the_shelf_as_much_as_fits() -> None:
    read = Retrieval(count=3).prepare("What did Ada Quill buy at the market?", shelf(EACH)).context
    assert read == (PASSAGES[0], PASSAGES[3])
    narrow = Retrieval(count=3).prepare("What did Ada Quill buy?", shelf(EACH, room=9)).context
    assert len(narrow) == 1


def test_both_are_what_each_gives_alone() -> None:
    whole = shelf(EACH)
    both = LoraAndRetrieval().prepare(ADA, whole)
    assert both.context == Retrieval().prepare(ADA, whole).context
    assert both.adapters == Lora().prepare(ADA, whole).adapters


def test_a_window_has_the_newest() -> None:
    assert Window().prepare(ADA, shelf([], room=17)).context == PASSAGES[2:]
    assert Window(tokens=9).prepare(ADA, shelf([])).context == PASSAGES[3:]
    beside = Beside(Retrieval(), tokens=9)
    assert beside.name == "window_and_retrieval"
    context = beside.prepare(ADA, shelf([])).context
    assert context[-1] == PASSAGES[3]
    assert PASSAGES[0] in context
    assert len(set(context)) == len(context)
    assert len(beside.prepare(ADA, shelf([], room=15)).context) == 1, "no room beside the window"


def test_the_whole_text_is_refused_where_it_does_not_fit() -> None:
    assert FullContext().prepare(MOON, shelf([])).context == PASSAGES
    with pytest.raises(RecipeError, match="4 passages are 36 tokens, the context takes 20"):
        FullContext().prepare(MOON, shelf([], room=20))


def test_an_unknown_policy_is_refused() -> None:
    assert all(policy_named(name).name == name for name in POLICIES)
    with pytest.raises(RecipeError, match="policy 'rag' is unknown: choose one of closed_book"):
        policy_named("rag")


def test_passages_stand_before_the_question() -> None:
    plain = in_context(ask("qa", ADA), PASSAGES[:2])
    assert plain == f"{TEXTS[0]}\n\n{TEXTS[1]}\n\nQuestion: {ADA}\nAnswer:"
    assert question(str(plain)) == ADA
    chat = Chat((("system", "Be brief."),))
    turn = in_context(ChatPrompt(ADA, chat), PASSAGES[:1])
    assert turn == ChatPrompt(f"{TEXTS[0]}\n\n{ADA}", chat)
    assert in_context(ADA, ()) == ADA


def test_a_policy_of_ones_own_is_a_name_and_a_method() -> None:
    @dataclass(frozen=True)
    class Newest:
        name: str = "newest"

        def prepare(self, question: str, shelf: Shelf) -> Prepared:
            return Prepared(context=shelf.passages[-1:])

    asked = ProbeSet.of("ada", (Probe("a", "rephrased", "ada", ask("qa", ADA), ("Oslo",)),))
    (route,) = Shelved(Newest(), shelf([])).routes(asked)
    assert route.probe.prompt.startswith(TEXTS[3])
    assert route.probe.prompt.endswith(asked.probes[0].prompt)
    assert (route.probe.id, route.adapters) == ("a", ())


def test_the_only_passage_is_found() -> None:
    alone = Shelf.of(PASSAGES[:1], [[0]])
    assert Lora().prepare(ADA, alone).adapters == (0,)
    assert Lora().prepare(MOON, alone).adapters == ()


@pytest.mark.parametrize("seed", [7, 8])
def test_the_threshold_tells_questions_on_documents_from_others(seed: int) -> None:
    """On draws on which it was not chosen."""
    document = invented_document("d", 20, 5, random.Random(seed).choice((0, 6)), Names(seed))
    places = {fact.id: n for n, each in enumerate(document.paragraphs) for fact in each.facts}
    found = [Passage(each.text) for each in document.paragraphs]
    routed = Shelved(Lora(), Shelf.of(found, [[place] for place in range(20)]))
    asked = ProbeSet.of("d", probes(document.facts))
    routes = routed.routes(asked)
    right = sum(route.adapters == (places[route.probe.fact],) for route in routes)
    assert right >= 0.97 * len(routes)
    others = routed.routes(ProbeSet.of("others", some_locality_questions(150)))
    assert sum(bool(route.adapters) for route in others) <= 0.02 * len(others)
    assert 0 < LEAST < 1
