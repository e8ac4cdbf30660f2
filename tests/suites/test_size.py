"""Cells and figures of the suite `size`, from a small model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import TIMINGS, build, read_lines
from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.recipes import Base, Dataset, ProbeSet, digest
from harness.scenarios.size import RANKS, cells, findings, measures, probes
from harness.store import Artefact, Store

BASE = Base("0", "pocket", "/m")


def test_a_cell_a_rank_with_its_timings_in_the_plan() -> None:
    for grid, ranks in RANKS.items():
        found = cells(grid, [BASE], [0])
        assert [(c.training.rank, c.training.alpha) for c in found] == [
            (rank, 2 * rank) for rank in ranks
        ]
        assert len({cell.id for cell in found}) == len(ranks)
        for cell in found:
            assert cell.timings is not None
            assert digest(cell.timings) in {digest(job.recipe) for job in cell.jobs()}
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artefact]:
    return partial(build, store=Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def few(tiny: Base) -> list[Cell]:
    asked = ProbeSet.of("few", probes().probes[:2])
    found = cells("default", [tiny], [0])[:2]
    return [replace(cell, timed=asked, dataset=replace_few(cell.dataset)) for cell in found]


def replace_few(dataset: Dataset) -> Dataset:
    return type(dataset).of("few", dataset.samples[:8])


def test_rounds_are_timed_in_turn(few: list[Cell], fetch: Callable[..., Artefact]) -> None:
    found = fetch(few[0].timings)
    lines = read_lines(found.path / TIMINGS)
    assert [line["round"] for line in lines] == list(range(1, 8))
    assert all(min(line["bare"], line["put_on"], line["adapted"]) > 0 for line in lines)
    assert {line["tokens"] for line in lines} == {lines[0]["tokens"]}
    assert found.manifest.parents == (digest(few[0].adapters[0]),)


def test_an_adapter_slows_answers_down_and_costs_bytes_by_rank(
    few: list[Cell], fetch: Callable[..., Artefact]
) -> None:
    figures = measures(few[0], (), (), fetch, True)
    assert figures.keys() == {"slowdown", "speed", "put_on_ms"}
    assert all(0 < figure.low <= figure.estimate <= figure.high for figure in figures.values())
    assert measures(few[0], (), (), fetch, False) == {}
    (found,) = findings(few, fetch)
    disk = next(curves for curves in found.curves if curves.name == "mib_on_disk")
    (points,) = disk.series.values()
    assert [rank for rank, _ in points] == [1, 16]
    assert 10 < points[1][1] / points[0][1] < 17


def test_curves_are_drawn_and_shown(
    few: list[Cell], fetch: Callable[..., Artefact], tmp_path: Path
) -> None:
    from harness.report import ScenarioReport, write
    from harness.scenarios.size import SCENARIO

    part = ScenarioReport(SCENARIO, [], [], findings=findings(few, fetch))
    text = write([part], tmp_path).read_text(encoding="utf-8")
    assert "Rank on tiny" in text
    for curves in part.findings[0].curves:
        assert f"size-{curves.name}.svg" in text
        assert (tmp_path / f"size-{curves.name}.svg").stat().st_size > 1000
