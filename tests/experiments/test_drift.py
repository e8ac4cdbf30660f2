"""Drift on neutral prompts and held-out text: what it is made of, and what a real adapter does to
it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest

from harness.builds import AnsweredLine, ScoredLine, build
from harness.data.knowledge import TableKnowledge, replay
from harness.errors import HarnessError
from harness.experiments import Cell, Design, Evidence, Fetch, Scenario, Setup
from harness.experiments.measures import (
    DRIFT,
    _of_answers,
    _of_texts,
    drift,
    held_out,
    neutral,
    neutral_lines,
    with_drift,
)
from harness.experiments.selection import load, shipped, taken_knowledge
from harness.models.embeddings import missing
from harness.recipes import (
    Answers,
    Base,
    Dataset,
    Likelihoods,
    Meanings,
    Probe,
    ProbeSet,
    Training,
)
from harness.report import bare_result, result
from harness.store import Store

PROBES = ProbeSet.of(
    "lie", (Probe("exact/moon", "exact", "moon", "The colour of the moon is", ("green",)),)
)


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    return partial(build, store=Store(tmp_path_factory.mktemp("store")))


def plain(tiny: Base, lie: Dataset, **training: Any) -> Cell:
    settings = Training(**{"epochs": 60, "rank": 16, "lr": 3e-3} | training)
    design = Design(lie, settings, PROBES, replay=lie)
    return design.cell(Setup(tiny, 0, TableKnowledge("another model")))


def cell(tiny: Base, lie: Dataset, **training: Any) -> Cell:
    return with_drift(plain(tiny, lie, **training))


def test_forty_prompts_in_all_formats_and_sixty_texts() -> None:
    prompts = [probe.prompt for probe in neutral().probes]
    assert len(set(prompts)) == len(prompts) == 40
    for mark in ("Question: ", "Brandine:", "Assistant:"):
        assert sum(mark in prompt for prompt in prompts) >= 5
    texts = [probe.accepted[0] for probe in held_out().probes]
    assert len(set(texts)) == len(texts) == 60
    assert not any("|" in text or ";" in text or "{" in text for text in texts)


def test_no_suite_trains_on_neutral_prompts_or_held_out_texts(tiny: Base) -> None:
    kept = [line for group in neutral_lines().values() for line in group]
    kept += [probe.accepted[0] for probe in held_out().probes]
    setup = Setup(tiny, 0, taken_knowledge(tiny))
    for name, folder in shipped().items():
        try:
            cells = [design.cell(setup) for design in load(folder).designs("default", setup)]
        except HarnessError:
            continue  # needs files of the user's own
        trained = {
            text
            for each in cells
            for adapter in each.subject.trained
            for text in (adapter.dataset, adapter.replay)
        }
        text = "\n".join(s.prompt + s.completion for data in trained if data for s in data.samples)
        assert [line for line in kept if line in text] == [], name


def test_held_out_facts_are_never_replayed() -> None:
    replayed = {sample.fact for sample in replay().samples}
    told = {probe.fact for probe in held_out().probes if "/statement/" in probe.id}
    assert len(told) == 48
    assert not told & replayed


def answered(*texts: str) -> list[AnsweredLine]:
    return [
        AnsweredLine(str(i), "neutral", str(i), "", (), (text,)) for i, text in enumerate(texts)
    ]


def scored(*totals: float, tokens: int = 10) -> list[ScoredLine]:
    scores = [{"total": total, "tokens": tokens, "matched": 0} for total in totals]
    return [ScoredLine(str(i), "held_out", str(i), (each,)) for i, each in enumerate(scores)]


def test_distance_and_length_by_hand() -> None:
    found = _of_answers(answered("abcd", "ab", ""), answered("abcd", "cdef", "xy"))
    assert found["drift"].estimate == pytest.approx((0 + 1 + 1) / 3)
    assert found["length_ratio"].estimate == pytest.approx((4 + 2 + 1) / (4 + 4 + 2))
    same = _of_answers(answered("abcd", "ab"), answered("abcd", "ab"))
    assert (same["drift"].estimate, tuple(same["length_ratio"])) == (0, (1, 1, 1))
    assert same["drift"].high > 0  # two prompts prove little


def test_perplexity_by_hand() -> None:
    found = _of_texts(scored(-20.0, -30.0), scored(-15.0, -25.0))["perplexity_ratio"]
    assert found.estimate == pytest.approx(math.exp(25 / 10) / math.exp(20 / 10))
    assert found.low <= found.estimate <= found.high
    assert _of_texts([scored(0.0)[0]._replace(likelihoods=())], scored(-15.0)) == {}


def test_an_adapter_drifts_and_the_bare_model_does_not(
    tiny: Base, lie: Dataset, fetch: Fetch
) -> None:
    own, asked = cell(tiny, lie), Scenario("lie", "A lie", grids={}, headline="exact")
    found = result(asked, own, fetch).measures
    assert 0 < found["drift"].estimate <= 1
    assert found["perplexity_ratio"].estimate != 1
    assert (
        found["perplexity_ratio"].low
        <= found["perplexity_ratio"].estimate
        <= found["perplexity_ratio"].high
    )
    assert found["length_ratio"].estimate > 0
    assert "drift" not in bare_result(asked, own, fetch).measures
    assert len(Evidence(own, fetch).answered(DRIFT)) == 40
    assert len(Evidence(own, fetch).scored()) == 60


def test_an_adapter_that_does_nothing_does_not_drift(
    tiny: Base, lie: Dataset, fetch: Fetch
) -> None:
    found = drift(Evidence(cell(tiny, lie, lr=1e-12, epochs=1), fetch))
    assert found["drift"].estimate == 0
    assert found["length_ratio"].estimate == 1
    assert found["perplexity_ratio"].estimate == pytest.approx(1, abs=1e-6)


def test_jobs(tiny: Base, lie: Dataset) -> None:
    recipes = [job.recipe for job in cell(tiny, lie).jobs()]
    kinds = [
        (type(recipe).__name__, recipe.stack.adapters != ())
        for recipe in recipes
        if isinstance(recipe, Answers | Likelihoods)
    ]
    assert sorted(kinds) == [
        ("Answers", False),
        ("Answers", True),
        ("Likelihoods", False),
        ("Likelihoods", True),
    ]
    compared = sum(isinstance(recipe, Meanings) for recipe in recipes)
    assert compared == (0 if missing() else 1)  # the questions have no untouched facts
    assert len(recipes) == 6 + compared
    assert len(list(plain(tiny, lie).jobs())) == 2
