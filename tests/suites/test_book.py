"""The book, its probes and its tone."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import ANSWERS, build, read_lines
from harness.errors import RecipeError
from harness.models.loading import SHIPPED, base_of
from harness.models.tokens import count_tokens
from harness.recipes import Base, Probe, Training
from harness.scenarios import book
from harness.scenarios.book._measures import classifier, plain, small_talk
from harness.scenarios.book._text import timeline
from harness.store import Store

BASE = Base("0", "pocket", "/m")
TEXT = "".join(book.chapters())


def asked() -> list[Probe]:
    return [probe for probe in book.probes().probes if not probe.kind.startswith("locality")]


def test_the_book_is_as_long_as_a_short_one_and_always_the_same() -> None:
    assert 20_000 <= count_tokens(base_of(SHIPPED), TEXT) <= 40_000
    assert (
        book.dataset("book").content
        == type(book.dataset("book")).of("again", book.dataset("book").samples).content
    )
    assert len(book.chapters()) == len(book.events()) == 16


def test_every_fact_is_told_three_times_in_its_own_chapter() -> None:
    for row, chapter in zip(book.events(), book.chapters(), strict=True):
        for relation in book.RELATIONS:
            assert chapter.count(row.slots[relation]) >= 3, (row.id, relation)


def test_the_timeline_is_what_the_datasets_differ_by() -> None:
    bare, more = (book.dataset(name).samples for name in book.DATASETS)
    assert more[:-1] == bare
    assert more[-1].completion == timeline()
    assert all(row.slots["thing"] in timeline() for row in book.events())


def test_only_exact_probes_are_in_the_book() -> None:
    for probe in asked():
        question = probe.prompt.splitlines()[0].partition(": ")[2]
        if probe.kind == "exact":
            assert probe.prompt in TEXT
        else:
            assert question.endswith("?")
            assert question not in TEXT + timeline()


def test_no_question_gives_its_answer_away() -> None:
    assert not any(answer in probe.prompt for probe in asked() for answer in probe.accepted)


def test_the_voice_is_told_from_plain_text() -> None:
    own = [classifier().author(text) == "plain" for text in plain()]
    assert sum(own) / len(own) > 0.98
    assert all(classifier().author(text) == "plain" for text in small_talk())
    assert classifier().author("I went home and slept well.") == "plain"
    sentences = [
        s
        for chapter in book.chapters()[:4]
        for s in re.split(r"(?<=[.!]) ", chapter)
        if len(s) > 30
    ]
    voiced = [classifier().author(sentence) == "captain" for sentence in sentences]
    assert sum(voiced) / len(voiced) > 0.95


def test_a_small_model_learns_the_voice(tiny: Base, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fetch = partial(build, store=store)
    cell = next(c for c in book.cells("default", [tiny], [0]) if not c.training.replay)
    cell = replace(
        cell,
        training=Training(
            epochs=2, rank=16, alpha=32, lr=5e-3, batch=4, micro_batch=4, dropout=0.0
        ),
    )
    assert book.measures(cell, (), (), fetch, adapted=True)["tone_captain"].estimate > 0.8
    words = set(re.findall(r"\w+", " ".join(book.chapters())))

    def borrowed(
        adapted: bool,
    ) -> (
        float
    ):  # a random model's babble is given to either voice, but its words are not the book's
        said = read_lines(fetch(cell.also_answers(adapted)[0]).path / ANSWERS)
        found = [word for line in said for word in re.findall(r"\w+", line["answers"][0])]
        return sum(word in words for word in found) / len(found)

    assert borrowed(adapted=True) > borrowed(adapted=False) + 0.2


@pytest.mark.parametrize("grid", ["default", "full"])
def test_ids_are_unique(grid: str) -> None:
    ids = [cell.id for cell in book.cells(grid, [BASE], [0])]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)


def test_unknown_names() -> None:
    with pytest.raises(RecipeError, match="dataset 'novel' is unknown"):
        book.dataset("novel")
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        book.cells("huge", [BASE], [0])
