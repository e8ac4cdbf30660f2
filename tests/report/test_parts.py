"""What a report is made from: whole cells, and those that are missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.builds import build, cached
from harness.experiments.cells import Cell
from harness.recipes import digest
from harness.report import ScenarioReport, part
from harness.store import Artefact, Store
from tests.report.conftest import Home


def test_what_is_not_cached_is_missing_and_costs_no_other_cell(
    home: Home, small: ScenarioReport, tmp_path: Path
) -> None:
    store = Store(shutil.copytree(home.store.root, tmp_path / "store"))
    gone = home.cells[1]
    shutil.rmtree(store.root / "grades" / digest(gone.grades))
    found = part(home.scenario, home.cells, "default", partial(cached, store=store))
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
    cells = [replace(cell, scored=cell.probes) for cell in home.cells[:2]]
    for cell in cells:
        assert cell.likelihoods is not None
        build(cell.likelihoods, store)
    assert cells[0].base_likelihoods is not None

    def together(cells: Sequence[Cell], fetch: Callable[..., Artefact]) -> Any:
        return [fetch(cell.base_likelihoods) for cell in cells]

    found = part(
        home.scenario._replace(findings=together), cells, "default", partial(cached, store=store)
    )
    lacking = f"likelihoods {digest(cells[0].base_likelihoods)[:12]} is not in the store"
    assert [entry.cell for entry in found.entries] == cells
    assert [*map(tuple, found.missing)] == [
        ("tiny (no adapter)", lacking),
        ("what the cells say together", lacking),
    ]


def test_nothing_cached_is_an_empty_part(home: Home, tmp_path: Path) -> None:
    found = part(
        home.scenario, home.cells, "default", partial(cached, store=Store(tmp_path / "empty"))
    )
    assert (list(found.entries), list(found.how)) == ([], [])
    assert len(found.missing) == len(home.cells)


def test_a_bare_model_that_was_asked_twice_has_one_row_and_two_entries(
    home: Home, small: ScenarioReport
) -> None:
    from harness.recipes import ProbeSet

    fewer = ProbeSet.of("fewer", home.cells[0].probes.probes[:4])
    cells = (home.cells[0], replace(home.cells[0], probes=fewer, label="fewer"))
    found = part(home.scenario, cells, "default", partial(build, store=home.store))
    assert [entry.result.adapted for entry in found.entries] == [False, False, True, True]
    assert [result.id for result in found.results] == [
        "tiny (no adapter)",
        cells[0].id,
        cells[1].id,
    ]
    assert dict(found.how)["probes"] == "6 or 4"
