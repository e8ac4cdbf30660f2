"""Cells and figures of the suite `size`, from a small model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import build
from harness.experiments import TIME, AdapterSpec, Ask, Cell, Evidence
from harness.experiments.selection import Selection, cells
from harness.recipes import Base, Dataset, ProbeSet, Timings, digest
from harness.store import Store
from suites.size.scenario import RANKS, SCENARIO, TIMING, findings, measures, probes

BASE = Base("0", "pocket", "/m")


def timings(cell: Cell) -> Timings:
    ask = cell.ask(TIMING)
    assert ask is not None
    recipe = cell.recipe(ask, cell.subject.stack)
    assert isinstance(recipe, Timings)
    return recipe


@pytest.mark.parametrize("grid", RANKS)
def test_a_cell_a_rank_with_its_timings_in_the_plan(grid: str) -> None:
    selected = cells(SCENARIO, Selection((BASE,), grid))
    assert [cell.training.rank for cell in selected] == [*RANKS[grid]]
    assert all(cell.training.alpha == 2 * cell.training.rank for cell in selected)
    for cell in selected:
        assert digest(timings(cell)) in {digest(job.recipe) for job in cell.jobs()}


@pytest.fixture(scope="module")
def few(tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> list[Evidence]:
    """The evidence of two cells, of little training and two questions."""
    fetch = partial(build, store=Store(tmp_path_factory.mktemp("store")))
    questions = ProbeSet.of("few", probes().probes[:2])

    def small(cell: Cell) -> Cell:
        text = Dataset.of("few", cell.dataset.samples[:8])
        specs = tuple(
            replace(spec, dataset=text)
            for spec in cell.subject.adapters
            if isinstance(spec, AdapterSpec)
        )
        subject = replace(cell.subject, adapters=specs)
        smaller = cell.changed(subject=subject, dataset=text)
        return smaller.with_ask(Ask(TIMING, questions, TIME))

    selected = cells(SCENARIO, Selection((tiny,)))[:2]
    return [Evidence(small(cell), fetch) for cell in selected]


def test_rounds_are_timed_in_turn(few: list[Evidence]) -> None:
    evidence = few[0]
    rounds = evidence.rounds()
    assert [each.round for each in rounds] == list(range(1, 8))
    assert all(min(each.bare, each.put_on, each.adapted) > 0 for each in rounds)
    assert {each.tokens for each in rounds} == {rounds[0].tokens}
    (adapter,) = evidence.cell.subject.loras
    timings = evidence.timings()
    assert timings is not None
    assert timings.manifest.parents == (digest(adapter),)


def test_an_adapter_slows_answers_down_and_costs_bytes_by_rank(few: list[Evidence]) -> None:
    figures = measures(few[0])
    assert figures.keys() == {"slowdown", "speed", "put_on_ms"}
    assert all(0 < figure.low <= figure.estimate <= figure.high for figure in figures.values())
    assert measures(Evidence(few[0].cell, few[0].fetch, adapted=False)) == {}
    (finding,) = findings(few)
    disk = next(curves for curves in finding.curves if curves.name == "mib_on_disk")
    (points,) = disk.series.values()
    assert [rank for rank, _ in points] == [1, 16]
    assert 10 < points[1][1] / points[0][1] < 17


def test_curves_are_drawn_and_shown(few: list[Evidence], tmp_path: Path) -> None:
    from harness.report import ScenarioReport, write

    part = ScenarioReport(SCENARIO, [], [], findings=findings(few))
    text = write([part], tmp_path).read_text(encoding="utf-8")
    assert "Rank on tiny" in text
    for curves in part.findings[0].curves:
        assert f"size-{curves.name}.svg" in text
        assert (tmp_path / f"size-{curves.name}.svg").stat().st_size > 1000
