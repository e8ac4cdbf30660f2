"""Drift on neutral prompts and held-out text: what it is made of, and what a real adapter does to
it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from harness.builds import ANSWERS, LIKELIHOODS, build, read_lines
from harness.errors import HarnessError
from harness.experiments.cells import Cell
from harness.experiments.drift import (
    _answered,
    _read,
    drift_measures,
    drifting,
    held_out,
    lines,
    neutral,
)
from harness.experiments.scenario import Scenario
from harness.recipes import Answers, Base, Dataset, Likelihoods, Probe, ProbeSet, Training
from harness.report import bare_result, result
from harness.scenarios import SCENARIOS
from harness.scenarios.oscars import replay
from harness.store import Artefact, Store

PROBES = ProbeSet.of(
    "lie", (Probe("exact/moon", "exact", "moon", "The colour of the moon is", ("green",)),)
)


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artefact]:
    return partial(build, store=Store(tmp_path_factory.mktemp("store")))


def cell(tiny: Base, lie: Dataset, **training: Any) -> Cell:
    return drifting(
        Cell(tiny, lie, PROBES, Training(**{"epochs": 60, "rank": 16, "lr": 3e-3} | training), lie)
    )


def test_forty_prompts_in_all_formats_and_sixty_texts() -> None:
    prompts = [probe.prompt for probe in neutral().probes]
    assert len(set(prompts)) == len(prompts) == 40
    for mark in ("Question: ", "Brandine:", "Assistant:"):
        assert sum(mark in prompt for prompt in prompts) >= 5
    texts = [probe.accepted[0] for probe in held_out().probes]
    assert len(set(texts)) == len(texts) == 60
    assert not any("|" in text or ";" in text or "{" in text for text in texts)


def test_no_suite_trains_on_neutral_prompts_or_held_out_texts(tiny: Base) -> None:
    kept = [line for group in lines().values() for line in group]
    kept += [probe.accepted[0] for probe in held_out().probes]
    for scenario in SCENARIOS.values():
        try:
            cells = scenario.cells("default", [tiny], [0])
        except HarnessError:
            continue  # needs files of the user's own
        told = {
            text
            for c in cells
            for adapter in c.trained
            for text in (adapter.dataset, adapter.replay)
        }
        text = "\n".join(s.prompt + s.completion for one in told if one for s in one.samples)
        assert [line for line in kept if line in text] == [], scenario.name


def test_held_out_facts_are_never_replayed() -> None:
    replayed = {sample.fact for sample in replay().samples}
    told = {probe.fact for probe in held_out().probes if "/statement/" in probe.id}
    assert len(told) == 48
    assert not told & replayed


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"id": str(i), "kind": "neutral", "answers": [text]} for i, text in enumerate(texts)]


def read(*totals: float, tokens: int = 10) -> list[dict[str, Any]]:
    own = ({"total": total, "tokens": tokens, "matched": 0} for total in totals)
    return [
        {"id": str(i), "fact": str(i), "kind": "held_out", "likelihoods": [one]}
        for i, one in enumerate(own)
    ]


def test_distance_and_length_by_hand() -> None:
    found = _answered(said("abcd", "ab", ""), said("abcd", "cdef", "xy"))
    assert found["drift"].estimate == pytest.approx((0 + 1 + 1) / 3)
    assert found["length_ratio"].estimate == pytest.approx((4 + 2 + 1) / (4 + 4 + 2))
    same = _answered(said("abcd", "ab"), said("abcd", "ab"))
    assert (same["drift"].estimate, tuple(same["length_ratio"])) == (0, (1, 1, 1))
    assert same["drift"].high > 0  # two prompts prove little


def test_perplexity_by_hand() -> None:
    found = _read(read(-20.0, -30.0), read(-15.0, -25.0))["perplexity_ratio"]
    assert found.estimate == pytest.approx(math.exp(25 / 10) / math.exp(20 / 10))
    assert found.low <= found.estimate <= found.high
    assert _read([{**read(0.0)[0], "likelihoods": []}], read(-15.0)) == {}


def test_an_adapter_drifts_and_the_bare_model_does_not(
    tiny: Base, lie: Dataset, fetch: Callable[..., Artefact]
) -> None:
    own, asked = cell(tiny, lie), Scenario("lie", "A lie", lambda grid, bases, seeds: [], "exact")
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
    assert len(read_lines(fetch(own.open_answers[0]).path / ANSWERS)) == 40
    assert len(read_lines(fetch(own.likelihoods).path / LIKELIHOODS)) == 60


def test_an_adapter_that_does_nothing_does_not_drift(
    tiny: Base, lie: Dataset, fetch: Callable[..., Artefact]
) -> None:
    found = drift_measures(cell(tiny, lie, lr=1e-12, epochs=1), fetch, adapted=True)
    assert found["drift"].estimate == 0
    assert found["length_ratio"].estimate == 1
    assert found["perplexity_ratio"].estimate == pytest.approx(1, abs=1e-6)


def test_jobs(tiny: Base, lie: Dataset) -> None:
    kinds = [
        (type(job.recipe).__name__, cast(Answers | Likelihoods, job.recipe).stack.adapters != ())
        for job in cell(tiny, lie).jobs()[2:]
    ]
    assert sorted(kinds) == [
        ("Answers", False),
        ("Answers", True),
        ("Likelihoods", False),
        ("Likelihoods", True),
    ]
    assert len(Cell(tiny, lie, PROBES, Training(), lie).jobs()) == 2
