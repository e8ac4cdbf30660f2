"""Datasets, probes and cells of the suite `resume`."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.builds import GradedLine
from harness.data.knowledge import replay
from harness.experiments import Evidence
from harness.experiments.selection import Selection, cells
from harness.recipes import Adapter, Base, Dataset, digest
from suites.resume.scenario import (
    HALVES,
    SCENARIO,
    before,
    both,
    half,
    measures,
    probes,
    rehearsed,
)
from tests.suites.hand_made import no_fetch

BASE = Base("0", "pocket", "/m")


def facts_in(dataset: Dataset) -> set[str]:
    return {sample.fact for sample in dataset.samples}


def test_halves_share_no_fact_and_make_the_whole() -> None:
    first, second = (facts_in(half(name)) for name in HALVES)
    assert len(first) == len(second) == 6
    assert not first & second
    assert facts_in(both()) == first | second


def test_rehearsal_adds_a_share_of_the_other_half() -> None:
    dataset = rehearsed("second", "first", 0.25)
    assert Counter(dataset.samples) >= Counter(half("second").samples)
    more = len(dataset.samples) - len(half("second").samples)
    assert more == round(0.25 * len(half("first").samples))
    assert dataset != rehearsed("second", "first", 0.25, seed=1)


def test_no_probe_is_a_training_text_and_each_half_is_asked_about() -> None:
    trained = {sample.prompt for sample in (*both().samples, *replay().samples)}
    assert not any(probe.prompt in trained for probe in probes().probes)
    for name in HALVES:
        asked = {probe.fact for probe in probes().probes if probe.kind == name}
        assert asked == facts_in(half(name))


def test_cells_go_on_from_the_adapter_that_retention_is_measured_from() -> None:
    by_id = {cell.id: cell for cell in cells(SCENARIO, Selection((BASE,), "full", (0, 1)))}
    resumed = [cell for cell in by_id.values() if cell.factors["way"] == "resumed"]
    assert len(resumed) == 28
    for cell in resumed:
        (adapter,) = cell.subject.loras
        assert isinstance(adapter, Adapter)
        assert cell.label.startswith(f"{cell.factors['earlier']}_then_")
        reference = by_id[before(cell).id]
        assert adapter.init_from is not None
        assert digest(adapter.init_from) == digest(reference.subject.loras[0])
        assert digest(before(cell).grades) == digest(reference.grades)
        assert before(cell).factors == reference.factors


def line(kind: str, fact: str, right: bool) -> GradedLine:
    return GradedLine(
        id=f"{kind}/{fact}",
        kind=kind,
        fact=fact,
        prompt="",
        accepted=("it",),
        answers=("it",),
        verdicts=(right,),
        right=right,
        scores=(100.0,),
        read_as=("text",),
    )


@pytest.mark.parametrize(("label", "retained"), [("second_then_first", 1), ("at_once", 0.5)])
def test_retention_is_of_the_earlier_text_alone(
    label: str, retained: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first text half is still right, of the second everything; all was right before."""
    cell = next(cell for cell in cells(SCENARIO, Selection((BASE,))) if cell.label == label)
    evidence = Evidence(cell, no_fetch)
    evidence.lines = [
        *(line("first", str(fact), fact % 2 == 0) for fact in range(4)),
        *(line("second", str(fact), True) for fact in range(4)),
        line("locality_year", "other", False),
    ]
    earlier = Evidence(before(cell), no_fetch)
    earlier.lines = [each._replace(right=True) for each in evidence.lines]
    monkeypatch.setattr(evidence, "of", lambda cell: earlier)
    figures = measures(evidence)
    assert figures["all"].estimate == 0.75
    assert figures["retained"].estimate == retained
    assert measures(earlier).keys() == {"all"}
