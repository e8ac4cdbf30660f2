"""The book, its probes and its tone."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import build
from harness.data.knowledge import TableKnowledge
from harness.errors import RecipeError
from harness.experiments import Evidence, Setup
from harness.models.files import count_tokens
from harness.models.loading import SHIPPED, base_of
from harness.recipes import Base, Dataset, Probe, Training
from harness.store import Store
from suites.book.scenario import (
    DATASETS,
    RELATIONS,
    SCENARIO,
    TONE,
    chapters,
    classifier,
    dataset,
    default,
    events,
    measures,
    probes,
    small_talk,
    statements,
    timeline,
)
from tests.suites.hand_made import cells_of

TEXT = "".join(chapters())


def asked() -> list[Probe]:
    return [probe for probe in probes().probes if not probe.kind.startswith("locality")]


def test_the_book_is_as_long_as_a_short_one_and_always_the_same() -> None:
    assert 20_000 <= count_tokens(base_of(SHIPPED), TEXT) <= 40_000
    assert dataset("book").content == Dataset.of("again", dataset("book").samples).content
    assert len(chapters()) == len(events()) == 16


def test_every_fact_is_told_three_times_in_its_own_chapter() -> None:
    for row, chapter in zip(events(), chapters(), strict=True):
        for relation in RELATIONS:
            assert chapter.count(row.slots[relation]) >= 3, (row.id, relation)


def test_the_timeline_is_what_the_datasets_differ_by() -> None:
    bare, more = (dataset(name).samples for name in DATASETS)
    assert more[:-1] == bare
    assert more[-1].completion == timeline()
    assert all(row.slots["thing"] in timeline() for row in events())


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
    own = [classifier().author(text) == "plain" for text in statements()]
    assert sum(own) / len(own) > 0.98
    assert all(classifier().author(text) == "plain" for text in small_talk())
    assert classifier().author("I went home and slept well.") == "plain"
    sentences = [
        s for chapter in chapters()[:4] for s in re.split(r"(?<=[.!]) ", chapter) if len(s) > 30
    ]
    voiced = [classifier().author(sentence) == "captain" for sentence in sentences]
    assert sum(voiced) / len(voiced) > 0.95


def test_a_small_model_learns_the_voice(tiny: Base, tmp_path: Path) -> None:
    setup = Setup(tiny, 0, TableKnowledge("another model"))
    design = next(design for design in default(setup) if not design.training.replay)
    training = Training(epochs=2, rank=16, alpha=32, lr=5e-3, batch=4, micro_batch=4, dropout=0.0)
    cell = replace(design, training=training).cell(setup)
    evidence = Evidence(cell, partial(build, store=Store(tmp_path / "store")))
    assert measures(evidence)["tone_captain"].estimate > 0.8
    words = set(re.findall(r"\w+", " ".join(chapters())))

    def borrowed(adapted: bool) -> float:
        # a random model's babble is given to either voice, but its words are not the book's
        answers = [line.answer for line in evidence.answered(TONE, adapted)]
        babble = [word for answer in answers for word in re.findall(r"\w+", answer)]
        return sum(word in words for word in babble) / len(babble)

    assert borrowed(adapted=True) > borrowed(adapted=False) + 0.2


@pytest.mark.parametrize("grid", ["default", "full"])
def test_ids_are_unique(grid: str) -> None:
    ids = [cell.id for cell in cells_of(SCENARIO, grid)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]+", name) for name in ids)


def test_unknown_names() -> None:
    with pytest.raises(RecipeError, match="dataset 'novel' is unknown"):
        dataset("novel")
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells_of(SCENARIO, "huge")
