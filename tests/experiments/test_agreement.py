"""The same cell, asked through two suites, gives the same numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from harness.builds import build, graded_lines
from harness.experiments import Cell, Fetch, Setup
from harness.experiments.selection import load, shipped, taken_knowledge
from harness.recipes import Base
from harness.store import Store

LIGHT: dict[str, Any] = {"rank": 4, "alpha": 8, "epochs": 2, "replay": 0.0, "kl": 0.0, "lr": 1e-3}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("agreement") / "store")


def lightly_trained(name: str, base: Base, label: str = "", dataset: str = "") -> Cell:
    """The first cell of the suite ``name`` with this label or dataset, lightly trained."""
    setup = Setup(base, 0, taken_knowledge(base))
    design = next(
        each
        for each in load(shipped()[name]).designs("default", setup)
        if each.label == label and dataset in ("", each.dataset.name)
    )
    return replace(design, training=replace(design.training, **LIGHT)).cell(setup)


def answers(cell: Cell, fetch: Fetch) -> dict[tuple[str, str], tuple[tuple[str, ...], bool]]:
    """Answers and verdicts by kind of question and prompt."""
    lines = graded_lines(fetch(cell.grades))
    return {(line.kind, line.prompt): (line.answers, line.right) for line in lines}


@pytest.mark.parametrize(
    ("name", "label", "dataset"),
    [
        ("presets", "deterministic", "oscars_aug"),
        ("transfer", "on_base", "the_oscar_award_txt"),
    ],
)
def test_an_adapter_that_two_suites_share(
    store: Store, tiny: Base, name: str, label: str, dataset: str
) -> None:
    fetch = partial(build, store=store, device=None)
    here = lightly_trained(name, tiny, label=label)
    there = lightly_trained("oscars", tiny, dataset=dataset)
    assert here.subject.trained == there.subject.trained
    ours, theirs = answers(here, fetch), answers(there, fetch)
    assert len(set(ours)) > 100
    assert ours.items() <= theirs.items()
    assert any(texts != ("",) for texts, _ in ours.values())
