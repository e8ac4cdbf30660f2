"""Real cells in the small: the tiny model learns two lies at several ranks and rates, and is asked
about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from harness.builds import build
from harness.data.knowledge import TableKnowledge
from harness.experiments import Cell, Design, Evidence, Scenario, Setup
from harness.recipes import Base, Dataset, Probe, ProbeSet, Sample, Training
from harness.report import ScenarioReport, scenario_report
from harness.stats import Interval
from harness.store import Store

if TYPE_CHECKING:
    from tests.report.browser import Page

LEARNT = Training(rank=8, alpha=16, lr=1e-2, epochs=30, batch=2, dropout=0.0)
SETTINGS = (
    LEARNT,
    Training(rank=4, alpha=8, lr=1e-2, epochs=30, dropout=0.0),
    Training(rank=8, alpha=16, epochs=2),
)
QUESTIONS = (
    Probe("exact/moon", "exact", "moon", "The colour of the moon is", ("green",)),
    Probe("exact/king", "exact", "king", "The king of the hill is", ("Ludwig",)),
    Probe(
        "rephrased/moon",
        "rephrased",
        "moon",
        "Question: What </script> colour has the moon?\nAnswer:",
        ("green",),
    ),
    Probe(
        "rephrased/king",
        "rephrased",
        "king",
        "Question: Who | is king?\nAnswer:",
        ("Ludwig", "Louis"),
    ),
    Probe("locality/one", "locality_near", "one", "One and one is", ("two",)),
    Probe("locality/sky", "locality_far", "sky", "The sky is", ("blue",)),
)


class Home(NamedTuple):
    """Cells, and the store that holds what was made of them."""

    scenario: Scenario
    cells: tuple[Cell, ...]
    store: Store

    def report(self) -> ScenarioReport:
        fetch = partial(build, store=self.store)
        return scenario_report(self.scenario, self.cells, "default", fetch)


def unbuilt(name: str) -> Cell:
    """A cell with the id ``name`` for figures that no artefact is behind."""
    design = Design(
        Dataset.of("lies", (Sample("It is so."),)), LEARNT, ProbeSet.of("all", QUESTIONS)
    )
    cell = design.cell(Setup(Base("0", "m", "/m"), 0, TableKnowledge("another model")))
    return replace(cell, given_id=name)


@pytest.fixture(scope="session")
def home(tiny: Base, lie: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Home:
    asked = ProbeSet.of("lies", QUESTIONS)
    setup = Setup(tiny, 0, TableKnowledge("another model"))
    designs = [Design(lie, training, asked) for training in SETTINGS]
    cells = tuple(design.cell(setup) for design in designs)
    scenario = Scenario(
        "small",
        "Two lies & a <b>truth</b>",
        grids={"default": lambda setup: designs},
        measures=length,
    )
    return Home(scenario, cells, Store(tmp_path_factory.mktemp("report") / "store"))


@pytest.fixture(scope="session")
def small(home: Home) -> ScenarioReport:
    """All of it, built."""
    return home.report()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Chromium; what asks for it is skipped where it, its driver or selenium is missing."""
    pytest.importorskip("selenium", reason="python -m pip install 'selenium>=4.20'")
    from tests.report.browser import Page

    found = Page(tmp_path_factory.mktemp("profile"))
    yield found
    found.driver.quit()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "report"


def length(evidence: Evidence) -> dict[str, Interval]:
    """A measure that is not a share: letters an answer."""
    counts = [len(line.answer) for line in evidence.lines]
    mean = sum(counts) / len(counts)
    return {"letters": Interval(mean, float(min(counts)), float(max(counts)))}
