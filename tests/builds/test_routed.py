"""Answers that a policy has different stacks give: one artefact, each part asked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import Plan, answered_lines, build
from harness.data.knowledge import TableKnowledge
from harness.errors import RecipeError
from harness.experiments import (
    TIME,
    AdapterSpec,
    Ask,
    Cell,
    Design,
    Evidence,
    Route,
    Scenario,
    Setup,
)
from harness.recipes import (
    Answers,
    Base,
    Dataset,
    Decoding,
    Probe,
    ProbeSet,
    Routed,
    Stack,
    Training,
    digest,
)
from harness.report import result
from harness.store import Store

TRAINING = Training(epochs=30, rank=8, lr=3e-3)
PROBES = ProbeSet.of(
    "lie",
    (
        Probe("moon", "exact", "moon", "The colour of the moon is", ("green",)),
        Probe("king", "exact", "king", "The king of the hill is", ("Ludwig",)),
        Probe("sea", "locality_unrelated", "sea", "The colour of the sea is", ("blue",)),
    ),
)
BEFORE = "Of old.\n\n"


class ByWord:
    """Adapter 0 for the moon, 1 for the king, with a text before it; none for the sea."""

    name = "by_word"

    def __init__(self, king: int = 1) -> None:
        self.king = king

    def routes(self, probes: ProbeSet) -> Sequence[Route]:
        return [self._route(probe) for probe in probes.probes]

    def _route(self, probe: Probe) -> Route:
        if probe.id == "moon":
            return Route(probe, (0,))
        if probe.id == "king":
            return Route(replace(probe, prompt=BEFORE + probe.prompt), (self.king,))
        return Route(probe)


def design(lie: Dataset, policy: ByWord | None, **fields: object) -> Design:
    specs = tuple(
        AdapterSpec(Dataset.of(f"fact{place}", (sample,)), replace(TRAINING, seed=place))
        for place, sample in enumerate(lie.samples)
    )
    values = {"adapters": specs, "policy": policy, "decoding": Decoding(max_new_tokens=8)}
    return Design(lie, TRAINING, PROBES, replay=lie, **(values | fields))  # type: ignore[arg-type]


def cell(tiny: Base, lie: Dataset, policy: ByWord | None = None) -> Cell:
    return design(lie, policy or ByWord()).cell(Setup(tiny, 0, TableKnowledge("another model")))


def test_each_probe_is_answered_by_its_stack_to_its_prompt(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    routed = cell(tiny, lie)
    assert routed.id.startswith("lie-by_word-rank8-")
    recipe = routed.grades.answers
    assert isinstance(recipe, Routed)
    lines = answered_lines(build(recipe, store))
    assert [line.id for line in lines] == ["moon", "king", "sea"]
    assert [line.prompt for line in lines] == [probe.prompt for probe in PROBES.probes]
    by_places = {part.probes.probes[0].id: part for part in recipe.parts}
    assert [len(part.stack.adapters) for part in recipe.parts] == [1, 1, 0]
    assert by_places["king"].probes.probes[0].prompt == BEFORE + PROBES.probes[1].prompt
    for line in lines:
        alone = answered_lines(build(by_places[line.id], store))
        assert line.answers == alone[0].answers
    # the adapter of the moon knows its fact; the bare model answers about the sea
    assert lines[0].answer.strip().startswith("green")
    bare = Answers(Stack(tiny), PROBES, Decoding(max_new_tokens=8))
    assert lines[2].answers == answered_lines(build(bare, store))[2].answers
    figures = result(Scenario("lie", "Lie", {}), routed, partial(build, store=store))
    assert (figures.adapted, figures.locality and figures.locality.estimate) == (True, 1.0)


def test_a_part_that_two_cells_share_is_answered_once(
    tiny: Base, lie: Dataset, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    first, second = cell(tiny, lie), cell(tiny, lie, ByWord(king=0))
    build(first.grades, store)
    todo = {type(job.recipe).__name__ for job in Plan.of(second.jobs(), store).todo}
    assert todo == {"Grades"}, "adapters and the bare model's answers are there"
    parts = first.grades.answers.parts if isinstance(first.grades.answers, Routed) else ()
    others = second.grades.answers.parts if isinstance(second.grades.answers, Routed) else ()
    assert digest(parts[-1]) == digest(others[-1])
    assert store.peek(others[-1]) is not None
    assert Evidence(second, partial(build, store=store)).lines[2].id == "sea"


def test_what_cannot_be_routed_is_refused(tiny: Base, lie: Dataset) -> None:
    with pytest.raises(RecipeError, match="policy 'by_word' puts on adapter 2, of 2"):
        cell(tiny, lie, ByWord(king=2)).grades  # noqa: B018
    with pytest.raises(RecipeError, match="'speed' is timed, which no policy is"):
        design(lie, ByWord(), asks=(Ask("speed", PROBES, TIME),))
    odd = ByWord()
    odd.name = "by word"
    with pytest.raises(RecipeError, match="the policy 'by word': name it in letters"):
        design(lie, odd)
    some = Answers(Stack(tiny), ProbeSet.of("some", PROBES.probes[:2]))
    with pytest.raises(RecipeError, match="probe 'sea' is to be in one part, and is in 0"):
        Routed((some,), PROBES)
    with pytest.raises(RecipeError, match="probe 'moon' is to be in one part, and is in 2"):
        Routed((some, some), PROBES)
