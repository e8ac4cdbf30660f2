"""The same cell, asked through two suites, gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from harness.builds import GRADES, build, read_lines
from harness.engines import HF
from harness.experiments.cells import Cell
from harness.experiments.selection import cells
from harness.recipes import Base
from harness.scenarios import SCENARIOS
from harness.store import Artefact, Store

LIGHT: dict[str, Any] = {"rank": 4, "alpha": 8, "epochs": 2, "replay": 0.0, "kl": 0.0, "lr": 1e-3}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("agreement") / "store")


def told(name: str, base: Base, **found: Any) -> Cell:
    """The cell of suite ``name`` that is like ``found``, lightly trained."""
    own = cells(SCENARIOS[name], "default", [base], [0], [HF])
    cell = next(
        cell for cell in own if all(getattr(cell, key) == value for key, value in found.items())
    )
    return replace(cell, training=replace(cell.training, **LIGHT))


def answers(
    cell: Cell, fetch: Callable[..., Artefact]
) -> dict[tuple[str, str], tuple[list[str], bool]]:
    """Answers and verdicts by kind of question and prompt."""
    return {
        (e["kind"], e["prompt"]): (e["answers"], e["right"])
        for e in read_lines(fetch(cell.grades).path / GRADES)
    }


@pytest.mark.parametrize(
    ("name", "found", "of_oscars"),
    [
        ("presets", {"label": "deterministic"}, "oscars_aug"),
        ("transfer", {"label": "on_base"}, "the_oscar_award_txt"),
    ],
)
def test_an_adapter_that_two_suites_share(
    store: Store, tiny: Base, name: str, found: dict[str, str], of_oscars: str
) -> None:
    fetch = partial(build, store=store, device=None)
    here = told(name, tiny, **found)
    there = next(
        cell
        for cell in cells(SCENARIOS["oscars"], "default", [tiny], [0], [HF])
        if cell.dataset.name == of_oscars
    )
    there = replace(there, training=here.training)
    assert here.trained == there.trained
    ours, theirs = answers(here, fetch), answers(there, fetch)
    assert len(set(ours)) > 100
    assert ours.items() <= theirs.items()
    assert any(said != [""] for said, _ in ours.values())
