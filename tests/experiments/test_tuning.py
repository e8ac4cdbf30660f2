"""Fronts, the rule, and the search."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from statistics import mean

import pytest

from harness.data.knowledge import TableKnowledge
from harness.errors import RecipeError
from harness.experiments import Scenario, Setup
from harness.experiments.selection import Selection, cells, load, shipped
from harness.experiments.tuning import (
    AXES,
    Axes,
    Trial,
    best,
    design_of,
    front,
    score,
    search,
    shortfall,
)
from harness.recipes import Base, Training, canonical, digest

BASE = Base("0", "pocket", "/m")
SETUP = Setup(BASE, 0, TableKnowledge())
PLAIN = Training()


def trial(recall: float, locality: float, seconds: float = 10.0) -> Trial:
    return Trial(PLAIN, recall, locality, seconds)


def test_the_front_is_what_nothing_beats() -> None:
    good, local, quick = trial(0.9, 0.8), trial(0.7, 0.95), trial(0.7, 0.7, 1.0)
    beaten = trial(0.8, 0.8), trial(0.9, 0.8, 11.0)
    assert front([beaten[0], good, local, quick, beaten[1]]) == [good, local, quick]
    assert front([good, good]) == [good, good]


def test_shortfall_is_what_both_shares_lack_of_one_that_took_no_longer() -> None:
    all_of_them = [trial(0.9, 0.8), trial(0.7, 0.95), trial(1.0, 1.0, 99.0)]
    assert shortfall(trial(0.85, 0.7), all_of_them) == pytest.approx(0.05)
    assert shortfall(trial(0.9, 0.8), all_of_them) == 0.0
    assert shortfall(trial(0.1, 0.1, 1.0), all_of_them) == 0.0


def test_the_rule_lets_neither_share_make_up_for_the_other_and_counts_doublings() -> None:
    assert score(trial(0.8, 0.8)) > score(trial(1.0, 0.6))
    assert score(trial(0.8, 0.8)) - score(trial(0.8, 0.8, 20.0)) == pytest.approx(0.005)
    assert best([trial(0.5, 0.9), trial(0.8, 0.8), trial(0.8, 0.8, 40.0)]) == trial(0.8, 0.8)
    assert score(trial(0.0, 0.0)) < 0.0


def test_the_draw_spreads_over_every_axis_and_repeats() -> None:
    drawn = AXES.drawn(36)
    assert len(set(drawn)) == 36
    assert drawn == AXES.drawn(36) != AXES.drawn(36, seed=1)
    for name in ("lr", "rank", "cutoff", "warmup_steps"):
        counts = [sum(getattr(t, name) == value for t in drawn) for value in AXES.values[name]]
        assert min(counts) >= 0.5 * 36 / len(counts), name
    assert len(AXES.drawn(1000)) == len(AXES.settings(1)) == 72


def landscape(seed: int) -> Callable[[Training], Trial]:
    """Recall that rises with epochs and rate until it is too much, locality that falls;
    with noise."""
    rng = random.Random(seed)
    hill, width = math.log(rng.choice((5e-4, 1e-3, 2e-3))), rng.uniform(0.8, 1.6)

    def tried(training: Training) -> Trial:
        own = random.Random(f"{seed} {canonical(training)}")  # without fields at their defaults
        effort = math.log(training.lr * training.alpha / training.rank / 2) - hill
        learnt = 1 - math.exp(-training.epochs / 2 * math.exp(min(effort, 0.5)))
        recall = (
            learnt
            * math.exp(-(max(0.0, effort) ** 2) / width)
            * (1.0 if training.cutoff > 24 else 0.3)
        )
        local = 1 - 0.12 * training.epochs**0.3 * math.exp(0.7 * effort)
        recall, local = (
            min(1.0, max(0.0, share + own.gauss(0, 0.02))) for share in (recall, local)
        )
        return Trial(training, recall, local, training.epochs * (3 + training.rank / 64))

    return tried


def test_the_search_comes_close_to_the_front_at_a_seventh_of_the_compute() -> None:
    lacks, shares = [], []
    for seed in range(12):
        tried = landscape(seed)
        full = [tried(training) for epochs in AXES.epochs for training in AXES.settings(epochs)]
        trials = search(AXES, tried, seed=seed)
        lacks.append(shortfall(best(trials), full))
        shares.append(AXES.share(trials))
    assert max(shares) <= 0.15
    assert mean(lacks) <= 0.005
    assert max(lacks) <= 0.02


def test_settings_that_were_not_drawn_are_tried_where_they_are_foretold_to_be_good() -> None:
    undrawn = 0
    for seed in range(12):
        trials = search(AXES, landscape(seed), seed=seed)
        drawn = set(AXES.drawn(36, seed))
        last = [trial.training for trial in trials if trial.training.epochs == AXES.epochs[-1]]
        undrawn += sum(replace(training, epochs=AXES.epochs[0]) not in drawn for training in last)
    assert 0.2 < undrawn / (12 * len(last)) < 0.8


@pytest.mark.parametrize(("rank", "epochs"), [((1, 8), (1, 3)), ((8,), (2,))])
def test_small_grids_are_searched_whole(rank: tuple[int, ...], epochs: tuple[int, ...]) -> None:
    axes = Axes(PLAIN, {"rank": rank, "alpha": (0.5, 2)}, epochs)
    trials = search(axes, landscape(0))
    assert len({t.training for t in trials}) == len(trials) == len(axes.settings(1)) * len(epochs)


def test_every_trial_of_the_search_is_a_cell_of_the_full_grid() -> None:
    grid = load(shipped()["grid"])
    selected = cells(grid, Selection((BASE,), "full"))
    known = {cell.training: cell for cell in selected}
    assert len(known) == 216
    for trial in search(AXES, landscape(0)):
        expected = known[trial.training]
        tried = design_of(grid, SETUP, trial.training).cell(SETUP)
        assert (tried.name, digest(tried.grades)) == (expected.name, digest(expected.grades))


@pytest.mark.parametrize("name", ["stacking", "oscars"])
def test_any_scenario_is_searched_by_its_first_design(name: str) -> None:
    scenario = load(shipped()[name])
    setting = AXES.at((1e-3, 8, 2, 24, 20), 3)
    cell = design_of(scenario, SETUP, setting).cell(SETUP)
    first = scenario.designs("default", SETUP)[0].cell(SETUP)
    assert (cell.dataset, cell.probes) == (first.dataset, first.probes)
    assert cell.label == "cut24-warm20"
    (adapter,) = cell.subject.trained
    assert adapter.training == cell.training == replace(setting, seed=SETUP.seed)


def test_an_empty_grid_cannot_be_searched() -> None:
    empty = Scenario("empty", "Empty", grids={"default": lambda setup: []})
    with pytest.raises(RecipeError, match="the default grid of empty is empty"):
        design_of(empty, SETUP, PLAIN)
