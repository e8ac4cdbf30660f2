"""The search within a time: its forecasts, its bound, and the same way again after a kill."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import RecipeError
from harness.experiments.budget import (
    LOSS,
    RUNGS,
    Tried,
    as_preset,
    best,
    neighbours,
    search,
    seconds,
    settings,
    spent,
)
from harness.experiments.tuning import Trial
from harness.recipes import Training, changed
from harness.training.presets import POCKET, PRESETS, SEED2023, preset


def units(training: Training) -> float:
    return training.epochs * (1 + training.replay) * (1.5 if training.kl else 1.0)


def landscape(
    seed: int = 0, speed: float = 1.0, most: int = 10**9
) -> tuple[Callable[[Training], Tried], list[Training]]:
    """Recall grows with rate and epochs, locality with KL; each trial after ``most`` is a Ctrl-C.

    The second value lists the trials.
    """
    asked: list[Training] = []

    def measured(training: Training) -> Tried:
        if len(asked) == most:
            raise KeyboardInterrupt
        asked.append(training)
        own = random.Random(f"{seed} {training}")
        effort = training.lr * training.epochs * 100
        recall = min(1.0, 1 - math.exp(-effort) + own.gauss(0, 0.02))
        local = 1 - 0.1 * effort / (1 + 2 * training.kl * training.replay)
        took = speed * units(training) * own.uniform(0.9, 1.1)
        shares = (max(0.0, recall), max(0.0, min(1.0, local)))
        return Tried(Trial(training, *shares, took), took + 0.3 * speed)

    return measured, asked


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5m", 90), (" 5s ", 5)]
)
def test_a_time_in_words(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "30", "30 minutes", "m", "-5m", "0s", "1d", "nan"])
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(RecipeError, match=r"^--budget .*give a time above 0 such as 90s"):
        seconds(text)


@pytest.mark.parametrize("budget", [12.0, 60.0, 300.0, 2000.0])
def test_the_budget_holds_and_is_used(budget: float) -> None:
    measured, asked = landscape()
    tried = search(SEED2023, budget, measured, units)
    assert tried[0].training == SEED2023
    assert spent(tried) <= budget * 1.02
    assert len(set(asked)) == len(asked) == len(tried)
    if budget >= 60:
        assert spent(tried) > 0.7 * budget


def test_a_poor_preset_is_beaten_at_its_locality() -> None:
    for seed in range(8):
        measured, _ = landscape(seed)
        tried = search(SEED2023, 400.0, measured, units, seed=seed)
        bound = tried[0].trial.locality - LOSS
        found = best(tried, bound)
        assert found.trial.recall > tried[0].trial.recall + 0.1
        assert found.trial.locality >= bound
        assert {each.training.epochs for each in tried} >= set(RUNGS)


def test_no_time_leaves_the_preset() -> None:
    measured, _ = landscape()
    tried = search(SEED2023, 1.0, measured, units)
    assert [each.training for each in tried] == [SEED2023]
    assert best(tried, 2.0) == tried[0]


def test_a_search_that_was_stopped_goes_the_same_way_again() -> None:
    whole = search(SEED2023, 200.0, landscape()[0], units)
    for most in (1, 4, len(whole) - 1):
        measured, asked = landscape(most=most)
        with pytest.raises(KeyboardInterrupt):
            search(SEED2023, 200.0, measured, units)
        assert asked == [each.training for each in whole[:most]]


def test_settings_repeat_keep_the_windows_and_differ() -> None:
    first = list(settings(POCKET))
    assert first == list(settings(POCKET)) != list(settings(POCKET, seed=1))
    assert len(set(first)) == len(first)
    windows = Training(cutoff=128, overlap=64)
    assert {(t.cutoff, t.overlap) for t in settings(windows)} == {(128, 64)}
    assert all(t.replay or not t.kl for t in first)


def test_neighbours_differ_in_a_field_and_its_companions() -> None:
    near = list(neighbours(PRESETS["steady"]))
    assert {"lr", "epochs", "rank", "batch"} <= {
        name
        for training in near
        for name in vars(training)
        if getattr(training, name) != getattr(PRESETS["steady"], name)
    }
    assert all(t.alpha == 2 * t.rank for t in near)


def test_a_setting_is_written_as_a_preset_with_changes(tmp_path: Path) -> None:
    from harness.cli._tune_budget import usage
    from harness.experiments.folder._settings import read_settings

    for training in (*settings(SEED2023), SEED2023, Training(target_modules=("q_proj",))):
        text = usage(training, "own")
        assert ("--replay own" in text) == (training.replay > 0)
        options, _, block = text.partition("in scenario.toml:")
        words = options.split()
        name = words[words.index("--preset") + 1]
        assert as_preset(training)[0] == name
        pairs = [word for word in words if "=" in word]
        assert changed(preset(name), pairs, "--set") == training
        (tmp_path / "scenario.toml").write_text(block)
        read = read_settings(tmp_path / "scenario.toml")
        assert read.training == training
        assert read.default == {"rank": (training.rank,)}
