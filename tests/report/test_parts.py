"""What a report is made from: whole cells, and those that are missing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.builds import build, cached
from harness.experiments import SCORE, SCORED, Ask, Evidence, Finding
from harness.recipes import Likelihoods, ProbeSet, digest
from harness.report import ScenarioReport, scenario_report
from harness.store import Store
from tests.report.conftest import Home


def test_what_is_not_cached_is_missing_and_costs_no_other_cell(
    home: Home, small: ScenarioReport, tmp_path: Path
) -> None:
    store = Store(shutil.copytree(home.store.root, tmp_path / "store"))
    gone = home.cells[1]
    shutil.rmtree(store.root / "grades" / digest(gone.grades))
    found = scenario_report(home.scenario, home.cells, "default", partial(cached, store=store))
    assert [entry.cell for entry in found.entries if entry.result.adapted] == [
        home.cells[0],
        home.cells[2],
    ]
    assert [(one.cell, one.reason) for one in found.missing] == [
        (gone.id, f"grades {digest(gone.grades)[:12]} is not in the store")
    ]
    assert not (store.root / "grades" / digest(gone.grades)).exists()
    assert found.results == [result for result in small.results if result.id != gone.id]


def test_a_bare_model_and_findings_that_cannot_be_had_cost_no_cell(
    home: Home, tmp_path: Path
) -> None:
    """A report in the middle of a session: the cells are whole before what they are held against
    is."""
    store = Store(shutil.copytree(home.store.root, tmp_path / "store"))
    cells = [cell.with_ask(Ask(SCORED, cell.probes, SCORE)) for cell in home.cells[:2]]
    fetch = partial(cached, store=store)
    for cell in cells:
        build(Likelihoods(cell.subject.stack, cell.probes), store)

    def together(cells: Sequence[Evidence]) -> list[Finding]:
        return [Finding("", str(evidence.scored(adapted=False))) for evidence in cells]

    scenario = replace(home.scenario, findings=together)
    found = scenario_report(scenario, cells, "default", fetch)
    bare = Likelihoods(cells[0].subject.bare, cells[0].probes)
    lacking = f"likelihoods {digest(bare)[:12]} is not in the store"
    assert [entry.cell for entry in found.entries] == cells
    assert [*map(tuple, found.missing)] == [
        ("tiny (no adapter)", lacking),
        ("what the cells show together", lacking),
    ]


def test_nothing_cached_is_an_empty_part(home: Home, tmp_path: Path) -> None:
    fetch = partial(cached, store=Store(tmp_path / "empty"))
    found = scenario_report(home.scenario, home.cells, "default", fetch)
    assert (list(found.entries), list(found.settings)) == ([], [])
    assert len(found.missing) == len(home.cells)


def test_a_bare_model_that_was_asked_twice_has_one_row_and_two_entries(
    home: Home, small: ScenarioReport
) -> None:
    fewer = replace(
        home.cells[0].questions, probes=ProbeSet.of("fewer", home.cells[0].probes.probes[:4])
    )
    cells = (home.cells[0], home.cells[0].changed(asks=(fewer,), label="fewer"))
    found = scenario_report(home.scenario, cells, "default", partial(build, store=home.store))
    assert [entry.result.adapted for entry in found.entries] == [False, False, True, True]
    assert [result.id for result in found.results] == [
        "tiny (no adapter)",
        cells[0].id,
        cells[1].id,
    ]
    assert dict(found.settings)["probes"] == "6 or 4"


def test_a_headline_that_nothing_is_named_is_told(small: ScenarioReport) -> None:
    scenario = replace(small.scenario, headline="fame")
    told = [line for line in small._replace(scenario=scenario).cautions if "fame" in line]
    assert told == [
        "headline 'fame' is no figure, so nothing is drawn: choose of"
        f" {', '.join(small.results[-1].shares())}"
    ]
    assert not any("headline" in line for line in small.cautions)
