"""Passages as training text, and what is written about them, checked by reading."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.builds import build
from harness.data.writing import Pair, read_pairs, written
from harness.errors import DataError, RecipeError
from harness.memory import pairs
from harness.memory.learnable import WAYS, Learnable, dataset, dropped, of_pairs, without
from harness.memory.learnable import written as written_about
from harness.memory.pairs import Ask, Kept
from harness.memory.passages import Passage
from harness.models.loading import SHIPPED, base_of
from harness.recipes import BARE, Base, Recipe
from harness.store import Artefact, Store

PASSAGE = Passage(
    "Orla Voss lives in Oslo. The code of Pim Dray is 4711. Orla Voss has a parrot as a pet.",
    "notes",
)
PAIRS = (Pair("Where does Orla Voss live?", "Oslo"), Pair("What is the code of Pim Dray?", "4711"))
ABOUT = {PASSAGE.id: Kept(PAIRS, ("The home of Orla Voss is in Oslo.",), {})}


class Counted:
    """Builds through a store, and counts what was asked for and what was built."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.built = 0

    def __call__(self, recipe: Recipe) -> Artefact:
        self.built += self.store.peek(recipe) is None
        return build(recipe, self.store)


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    return Counted(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def ask(fetch: Counted) -> Ask:
    return Ask.of(base_of(SHIPPED), None, fetch)


def test_a_pair_is_read_as_it_is_written() -> None:
    assert read_pairs(written(PAIRS)) == (list(PAIRS), 0)
    assert read_pairs(written(())) == ([], 0)
    assert read_pairs("Question: Who?\nAnswer: Jo\nQuestion: Wh") == ([Pair("Who?", "Jo")], 1)
    assert read_pairs("Sure, here you are:\nQuestion: Who?\nAnswer: Jo") == (
        [Pair("Who?", "Jo")],
        1,
    )


def test_what_is_trained() -> None:
    def texts(how: str) -> list[str]:
        return [s.text for s in of_pairs([PASSAGE], ABOUT, Learnable(how, wordings=2)).samples]

    plain = [f"{PASSAGE.text}\n"]
    said = [*plain, "The home of Orla Voss is in Oslo.\n"]
    asked = texts("questions")
    assert texts("plain") == plain
    assert texts("rewrites") == said
    assert texts("both") == [*said, *asked]
    assert len(asked) == 2 * len(PAIRS)
    assert all("Oslo\n" in text or "4711\n" in text for text in asked)


def test_a_passage_that_nothing_was_written_about_is_trained_as_it_is() -> None:
    other = Passage("Nothing is asked about this.", "notes", 1)
    samples = of_pairs([PASSAGE, other], ABOUT, Learnable()).samples
    assert [s.text for s in samples if not s.prompt] == ["Nothing is asked about this.\n"]


def test_the_teacher_reads_the_passage_of_each_question() -> None:
    told = of_pairs([PASSAGE], ABOUT, Learnable("both", distil=True))
    assert {s.context for s in told.samples if s.prompt} == {f"{PASSAGE.text}\n\n"}
    assert {s.context for s in told.samples if not s.prompt} == {""}
    in_chat = of_pairs([PASSAGE], ABOUT, Learnable(distil=True), BARE).samples
    assert {(s.completion, s.chat) for s in in_chat} == {("Oslo", BARE), ("4711", BARE)}
    assert all(s.context for s in in_chat)


def test_questions_for_tests_are_taken_out() -> None:
    text = of_pairs([PASSAGE], ABOUT, Learnable(wordings=1))
    left = without(text, ["WHAT is the code of Pim Dray?", "Where does Orla live?", ""])
    assert [sample.completion.strip() for sample in left.samples] == ["Oslo"]
    with pytest.raises(DataError, match="empty"):
        without(text, [pair.question for pair in PAIRS])


def test_what_is_not_read_alike_is_dropped(ask: Ask) -> None:
    """The shipped model reads each planted question."""
    good = written((*PAIRS, Pair("What pet does Orla Voss have?", "parrot")))
    bad = "\n".join(
        (
            "Question: Where does Orla Voss live?\nAnswer: Oslo",  # again
            "Question: What is the job of Orla Voss?\nAnswer: baker",  # not in the passage
            "Question: In which city does Orla Voss live?\nAnswer: 4711",  # another answer
            "Question: Who?",
        )
    )
    counts: Counter[str] = Counter()
    found = pairs._checked(PASSAGE, [(0, good), (1, bad)], ask, counts)
    assert set(PAIRS) <= set(found)
    assert set(found.values()) == {0}
    assert counts == {pairs.TWICE: 1, pairs.ABSENT: 1, pairs.DIFFERENT: 1, pairs.UNREADABLE: 1}


def test_the_shipped_model_writes_once_about_each_passage(ask: Ask, fetch: Counted) -> None:
    learnable = Learnable("both", drafts=3)
    first = dataset([PASSAGE], learnable, ask)
    built = fetch.built
    assert dataset([PASSAGE], learnable, ask) == first
    assert fetch.built == built > 0
    about = written_about([PASSAGE], learnable, ask)
    answers = {pair.answer for pair in about[PASSAGE.id].pairs}
    assert answers == {"Oslo", "4711", "parrot"}
    assert about[PASSAGE.id].rewrites
    assert sum(dropped(about).values()) == sum(about[PASSAGE.id].dropped.values())
    one = written_about([PASSAGE], replace(learnable, per_passage=1), ask)[PASSAGE.id]
    assert one.pairs == about[PASSAGE.id].pairs[:1]
    assert one.dropped[pairs.TOO_MANY] == len(about[PASSAGE.id].pairs) - 1


def test_an_edit_changes_what_is_written_about_its_passage_alone(ask: Ask, fetch: Counted) -> None:
    other = Passage("Quin Marsh works as a baker.", "notes", 1)
    dataset([PASSAGE, other], Learnable(), ask)
    built = fetch.built
    edited = replace(other, text="Quin Marsh works as a pilot.")
    found = dataset([PASSAGE, edited], Learnable(), ask)
    assert any("pilot" in sample.completion for sample in found.samples)
    each = 2 + 2  # greedy and sampled drafts, two readings
    assert 0 < fetch.built - built <= each


def test_mistakes_are_one_line(ask: Ask, tiny: Base, fetch: Counted) -> None:
    with pytest.raises(RecipeError, match=f"how 'poem' is unknown: choose one of {WAYS[0]}"):
        Learnable("poem")
    with pytest.raises(RecipeError, match="distil needs questions, and how is plain"):
        Learnable("plain", distil=True)
    with pytest.raises(RecipeError, match="drafts is 0: it must be at least 1"):
        Learnable(drafts=0)
    with pytest.raises(RecipeError, match="how is questions: say who writes"):
        dataset([PASSAGE], Learnable())
    with pytest.raises(DataError, match="no passage to learn"):
        dataset([], Learnable("plain"))
    with pytest.raises(RecipeError, match="tiny has no chat template, so it cannot be told"):
        Ask.of(tiny, None, fetch)
