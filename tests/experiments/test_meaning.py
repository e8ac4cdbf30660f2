"""How near in meaning answers are: its scale, its artefact, and what it needs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from harness.builds import build, cached, compared_lines
from harness.data.knowledge import TableKnowledge
from harness.errors import MissingExtraError, RecipeError
from harness.experiments import Cell, Design, Evidence, Setup, cells
from harness.experiments.measures import drift_by_meaning, with_drift
from harness.models import embeddings
from harness.recipes import (
    Answers,
    Base,
    Dataset,
    Decoding,
    Meanings,
    Probe,
    ProbeSet,
    Stack,
    Training,
)
from harness.store import Store

needs_embeddings = pytest.mark.skipif(bool(embeddings.missing()), reason=embeddings.missing())
QUESTIONS = ProbeSet.of(
    "asked",
    (
        Probe("exact/moon", "exact", "moon", "The colour of the moon is", ("green",)),
        Probe("locality/sun", "locality", "sun", "The colour of the sun is", ("yellow",)),
        Probe("locality/sea", "locality", "sea", "What is in the sea?", ("fish",)),
    ),
)


def cell(base: Base, lie: Dataset, **training: Any) -> Cell:
    settings = Training(**{"epochs": 60, "rank": 16, "lr": 3e-3} | training)
    design = Design(lie, settings, QUESTIONS, replay=lie)
    return with_drift(design.cell(Setup(base, 0, TableKnowledge("another model"))))


def compared(own: Cell) -> list[Meanings]:
    """What the plan of ``own`` compares."""
    return [job.recipe for job in own.jobs() if isinstance(job.recipe, Meanings)]


@needs_embeddings
def test_meaning_is_near_for_other_words_and_far_for_another_matter() -> None:
    one, reworded, other = embeddings.encoder()(
        ["The cat sat on the mat.", "On the mat there was a cat.", "Shares fell by five percent."]
    )
    assert one @ one == pytest.approx(1, abs=1e-4)
    assert one @ reworded > 0.7 > 0.2 > one @ other


@needs_embeddings
def test_an_adapter_changes_meanings_and_one_that_does_nothing_keeps_them(
    tiny: Base, lie: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    fetch = partial(build, store=store)
    own = cell(tiny, lie)
    assert compared(own) == list(own.meanings.values())
    found = drift_by_meaning(Evidence(own, fetch))
    assert set(found) == {"meaning_kept", "locality_meaning"}
    assert found["meaning_kept"].estimate < 0.9
    assert drift_by_meaning(Evidence(own, fetch, adapted=False)) == {}
    # only what was not trained counts as locality
    locality = compared_lines(fetch(own.meanings["questions"]))
    assert [line.id for line in locality] == ["locality/sun", "locality/sea"]
    unchanged = drift_by_meaning(Evidence(cell(tiny, lie, lr=1e-12), fetch))
    assert tuple(unchanged["meaning_kept"]) == (1, 1, 1)
    # a report reads it back without the embeddings
    assert drift_by_meaning(Evidence(own, partial(cached, store=store))) == found


def test_without_the_embeddings_nothing_is_compared(
    tiny: Base, lie: Dataset, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
) -> None:
    fetch = partial(build, store=Store(tmp_path_factory.mktemp("store")))
    nowhere = replace(embeddings.embedder(), path="")
    monkeypatch.setattr(cells, "missing", lambda: "is not installed")
    monkeypatch.setattr(cells, "embedder", lambda: nowhere)
    own = cell(tiny, lie, epochs=1)
    assert compared(own) == []
    assert drift_by_meaning(Evidence(own, fetch)) == {}
    asked = Answers(Stack(tiny), QUESTIONS, Decoding(max_new_tokens=2))
    with pytest.raises(MissingExtraError, match=r"is not installed: .*\[embeddings\]"):
        fetch(Meanings(asked, asked, nowhere))
    other = ProbeSet.of("other", QUESTIONS.probes[:2])
    with pytest.raises(RecipeError, match="give answers to the same questions"):
        Meanings(asked, replace(asked, probes=other), nowhere)
