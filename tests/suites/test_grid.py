"""Cells of the suite `grid`, and its findings from real trainings of a small model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import build
from harness.data.awards import ten_dataset
from harness.data.knowledge import replay
from harness.errors import RecipeError
from harness.experiments import QUESTIONS, AdapterSpec, Ask, Evidence
from harness.experiments.selection import Selection, cells
from harness.experiments.tuning import AXES, Trial, options
from harness.recipes import Base, ProbeSet, changed, is_locality
from harness.store import Store
from harness.training.presets import preset
from suites.grid.scenario import SCENARIO, findings, probes
from tests.suites.hand_made import no_fetch

BASE = Base("0", "pocket", "/m")


def test_the_star_differs_from_its_middle_in_one_parameter() -> None:
    selected = cells(SCENARIO, Selection((BASE,)))
    settings = [cell.training for cell in selected]
    assert len(settings) == len(set(settings)) == 10
    middle = settings[0]
    names = ("epochs", "lr", "rank", "cutoff", "warmup_steps")
    for setting in settings:
        assert sum(getattr(setting, name) != getattr(middle, name) for name in names) <= 1
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells(SCENARIO, Selection((BASE,), "huge"))


def test_no_probe_is_a_training_text() -> None:
    trained = {sample.prompt for sample in (*ten_dataset().samples, *replay().samples)}
    assert not any(probe.prompt in trained for probe in probes().probes)


def test_findings_recommend_one_of_the_cells(tiny: Base, tmp_path: Path) -> None:
    near, far = (
        [probe for probe in probes().probes if is_locality(probe.kind) == untouched][:4]
        for untouched in (False, True)
    )
    asks = (Ask(QUESTIONS, ProbeSet.of("few", (*near, *far))),)
    few = []
    for cell in cells(SCENARIO, Selection((tiny,)))[:2]:
        training = replace(cell.training, replay=0.0, kl=0.0, rank=2, alpha=4)
        subject = replace(cell.subject, adapters=(AdapterSpec(cell.dataset, training),))
        few.append(cell.changed(subject=subject, training=training, asks=asks))
    fetch = partial(build, store=Store(tmp_path / "store"))
    (finding,) = findings([Evidence(cell, fetch) for cell in few])
    assert finding.title == "Recommended for tiny"
    epochs = [cell.training.epochs for cell in few]
    assert any(f"epochs={each} lr=0.001 rank=2 alpha=4" in finding.summary for each in epochs)
    assert [curves.name for curves in finding.curves] == ["epochs"]


def test_what_is_printed_trains_what_was_measured() -> None:
    setting = AXES.at((3e-3, 8, 2, 24, 20), 9)
    shown = options(setting).split()
    preset_name, replayed, given = shown[1], shown[3], shown[5:]
    assert (shown[0], shown[2], shown[4]) == ("--preset", "--replay", "--set")
    assert replayed == "known"
    assert changed(preset(preset_name), given, "--set") == setting


def test_the_full_grid_says_how_far_below_it_searches_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(evidence: Evidence) -> Trial:
        """The more epochs and the lower the rate, the better; nothing else matters."""
        training = evidence.cell.training
        recall = 0.9 * training.epochs / 9
        return Trial(training, recall, 1 - 30 * training.lr, training.epochs)

    monkeypatch.setattr("suites.grid.scenario.trial", trial)
    selected = cells(SCENARIO, Selection((BASE,), "full"))
    results = findings([Evidence(cell, no_fetch) for cell in selected])
    assert [each.title for each in results] == [
        "Recommended for pocket",
        "The search against the full grid",
    ]
    assert results[1].summary == "0.000 below the front at 14% of the compute"
    assert "14% of the full grid's epochs, 14% of its seconds" in results[1].text
    assert (
        "100 searches, each from a draw of its own, 100 end within 0.02 of it; their mean is 0.000"
        in results[1].text
    )
