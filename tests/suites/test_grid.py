"""Cells of the suite `grid`, and its findings from real trainings of a small model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.builds import build
from harness.errors import RecipeError
from harness.experiments.cells import Cell
from harness.experiments.tuning import Trial
from harness.recipes import Base, ProbeSet, changed, is_locality
from harness.scenarios.grid import AXES, cells, findings, options, probes
from harness.scenarios.oscars import replay
from harness.scenarios.stacking import together
from harness.store import Store
from harness.training.presets import preset
from tests.suites.unfetched import unfetched

BASE = Base("0", "pocket", "/m")


def test_the_star_differs_from_its_middle_in_one_parameter() -> None:
    found = [cell.training for cell in cells("default", [BASE], [0])]
    assert len(found) == len(set(found)) == 10
    middle = found[0]
    names = ("epochs", "lr", "rank", "cutoff", "warmup_steps")
    assert all(sum(getattr(t, n) != getattr(middle, n) for n in names) <= 1 for t in found)
    for grid in ("default", "full"):
        ids = [cell.id for cell in cells(grid, [BASE], [0, 1])]
        assert len(ids) == len(set(ids))
    with pytest.raises(RecipeError, match="grid 'huge' is unknown"):
        cells("huge", [BASE], [0])


def test_no_probe_is_a_training_text() -> None:
    trained = {sample.prompt for sample in (*together().samples, *replay().samples)}
    assert not any(probe.prompt in trained for probe in probes().probes)


def test_findings_recommend_one_of_the_cells(tiny: Base, tmp_path: Path) -> None:
    kinds = (
        [p for p in probes().probes if is_locality(p.kind) == far][:4] for far in (False, True)
    )
    asked = ProbeSet.of("few", tuple(p for own in kinds for p in own))
    few = [
        replace(
            cell,
            probes=asked,
            replay=None,
            training=replace(cell.training, replay=0.0, kl=0.0, rank=2, alpha=4),
        )
        for cell in cells("default", [tiny], [0])[:2]
    ]
    (found,) = findings(few, partial(build, store=Store(tmp_path / "store")))
    assert found.title == "Recommended for tiny"
    assert any(
        f"epochs={cell.training.epochs} lr=0.001 rank=2 alpha=4" in found.said for cell in few
    )
    assert [curves.name for curves in found.curves] == ["epochs"]


def test_what_is_printed_trains_what_was_measured() -> None:
    setting = AXES.at((3e-3, 8, 2, 24, 20), 9)
    shown = options(setting).split()
    preset_name, replayed, given = shown[1], shown[3], shown[5:]
    assert (shown[0], shown[2], shown[4]) == ("--preset", "--replay", "--set")
    assert replayed == "known"
    assert changed(preset(preset_name), given, "--set") == setting


def test_the_full_grid_says_how_far_below_it_searches_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(cell: Cell, _: object) -> Trial:
        """The more epochs and the lower the rate, the better; nothing else matters."""
        return Trial(
            cell.training,
            0.9 * cell.training.epochs / 9,
            1 - 30 * cell.training.lr,
            cell.training.epochs,
        )

    monkeypatch.setattr("harness.scenarios.grid._findings.trial", tried)
    found = findings(cells("full", [BASE], [0]), fetch=unfetched)
    assert [each.title for each in found] == [
        "Recommended for pocket",
        "The search against the full grid",
    ]
    assert found[1].said == "0.000 below the front at 14% of the compute"
    assert "14% of the full grid's epochs, 14% of its seconds" in found[1].text
    assert (
        "100 searches, each from a draw of its own, 100 end within 0.02 of it; their mean is 0.000"
        in found[1].text
    )
