"""The search of training parameters within a time that the user names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice
from statistics import median
from typing import Any, NamedTuple

from harness.errors import RecipeError
from harness.experiments.tuning import Axes, Trial
from harness.recipes import Training
from harness.training.presets import PRESETS, SINGLE, STEADY

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
RUNGS = (3, 8, 20)
"""Epochs of the halving: those that are best at few get more."""
_SHARES = (0.4, 0.5, 0.8)
"""Of the time that is left before each rung, what it may take; the rest is for single steps."""
_FIRST = 24
"""Settings of the first rung, where the time allows so many."""
_MARGIN = 1.1
"""On every forecast: later trials may be slower than those so far."""
LOSS = 0.02
"""Locality that a setting may lose against the preset."""
_START = replace(STEADY, skip_layers=0.25)
_VALUES = {
    "lr": (2e-4, 5e-4, 1e-3, 2e-3),
    "rank": (8, 32, 64),
    "alpha": (2,),
    "batch": (4, 8, 16),
    "kl": (0.0, 1.0, 3.0),
    "replay": (0.0, 1.0, 2.0),
}
_STEPS: tuple[tuple[str, float], ...] = (
    *(("lr", 2.0), ("lr", 0.5), ("epochs", 1.6), ("kl", 2.0), ("kl", 0.5), ("replay", 2.0)),
    *(("batch", 0.5), ("rank", 2.0), ("replay", 0.5), ("batch", 2.0), ("epochs", 0.6)),
    *(("rank", 0.5),),
)
"""The neighbours of a setting, in the order in which they are tried: a field, times a factor."""


class Tried(NamedTuple):
    """A setting that was tried."""

    trial: Trial
    seconds: float
    """Of its training, its answers and their grading, as they were measured when they were made."""

    @property
    def training(self) -> Training:
        return self.trial.training

    @property
    def rest(self) -> float:
        """Seconds beside the training."""
        return self.seconds - self.trial.seconds


def seconds(text: str) -> float:
    """The budget in ``text``: ``90s``, ``30m``, ``1.5h``. Raises RecipeError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not match or not float(match[1]):
        raise RecipeError(f"--budget {text}: give a time above 0 such as 90s, 30m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def search(
    preset: Training,
    budget: float,
    measured: Callable[[Training], Tried],
    units: Callable[[Training], float],
    least: float | None = None,
    seed: int = 0,
) -> list[Tried]:
    """All trials, the preset first, that ``budget`` seconds allow.

    Successive halving (Jamieson & Talwalkar 2016) over epochs, from the presets for facts and a
    fixed sequence of settings; then single steps from the best. No trial is begun that would not
    end in time by the forecast: ``units`` of a training (seconds up to a factor) times what a unit
    has taken so far. So the result depends on what was measured alone, and an interrupted search
    that is repeated with the same trials goes the same way.

    ``least`` is the locality that a setting must have; by default ``LOSS`` below the preset's.
    """
    tried = [measured(preset)]
    bound = tried[0].trial.locality - LOSS if least is None else least

    def attempt(training: Training, end: float) -> Tried | None:
        known = any(each.training == training for each in tried)
        if known or spent(tried) + _forecast(training, tried, units) > end:
            return None
        tried.append(measured(training))
        return tried[-1]

    rung: list[Tried] = []
    for number, (epochs, share) in enumerate(zip(RUNGS, _SHARES, strict=True)):
        end = spent(tried) + share * (budget - spent(tried))
        ranked = sorted(rung, key=lambda each: _merit(each.trial, bound), reverse=True)
        longer = [replace(each.training, epochs=epochs) for each in ranked]
        chosen = longer[: -(-len(longer) // 2)] if number else list(settings(preset, seed))
        rung = []
        for training in chosen:
            # one setting of a rung may take what is left, or a small budget would try none
            result = attempt(training, end if rung else budget)
            if result is None and not number:
                break
            rung += [result] if result else []
        rung = rung or ranked
    while True:
        centre = best(tried, bound).training
        if not any(attempt(training, budget) for training in neighbours(centre)):
            return tried


def spent(tried: Sequence[Tried]) -> float:
    """Seconds of the trials so far."""
    return sum(each.seconds for each in tried)


def best(tried: Sequence[Tried], least: float) -> Tried:
    """The best recall of those with a locality of ``least``; else the first, which is the preset.

    Of equals the one with the better locality, then the faster.
    """
    allowed = [each for each in tried if each.trial.locality >= least]
    return max(allowed or tried[:1], key=lambda each: _merit(each.trial, least))


def settings(preset: Training, seed: int = 0) -> Iterator[Training]:
    """The settings of the first rung: presets for facts, then a scrambled sequence over a grid.

    They keep the preset's windows, target modules and dtype.
    """
    kept = {name: getattr(preset, name) for name in ("cutoff", "overlap", "target_modules")}
    kept |= {"dtype": preset.dtype, "epochs": RUNGS[0], "dropout": 0.0}
    found: dict[Training, None] = {}
    for start in (SINGLE, STEADY):
        found[replace(start, **kept)] = None
    axes = Axes(replace(_START, **kept), _VALUES, RUNGS)
    for drawn in axes.drawn(2 * _FIRST, seed):
        found[_sensible(drawn)] = None
    return islice(found, _FIRST)


def neighbours(training: Training) -> Iterator[Training]:
    """Settings that differ in one field, the most promising first."""
    for name, factor in _STEPS:
        value = getattr(training, name)
        if not value and factor < 1:
            continue
        changed = (value or 0.5) * factor
        given: dict[str, Any] = {name: changed}
        if name in ("rank", "epochs", "batch"):
            given[name] = max(1, round(changed))
        if name == "rank":
            given["alpha"] = max(1, round(given["rank"] * training.alpha / training.rank))
        near = replace(training, **given)
        if near != training and 1 <= near.rank <= 128 and near.lr <= 1e-2 and near.kl <= 12:
            yield _sensible(near)


def _sensible(training: Training) -> Training:
    """``training`` with whole batches in a pass, and KL only on what is replayed."""
    kl = training.kl if training.replay else 0.0
    return replace(training, micro_batch=training.batch, kl=kl)


def as_preset(training: Training) -> tuple[str, dict[str, object]]:
    """The nearest preset, and the fields in which ``training`` differs, but for its seed."""

    def changes(name: str) -> dict[str, object]:
        names = (field.name for field in fields(Training) if field.name != "seed")
        pairs = ((each, getattr(training, each)) for each in names)
        return {each: value for each, value in pairs if value != getattr(PRESETS[name], each)}

    nearest = min(PRESETS, key=lambda name: len(changes(name)))
    return nearest, changes(nearest)


def _forecast(
    training: Training, tried: Sequence[Tried], units: Callable[[Training], float]
) -> float:
    """Seconds of a trial: of its training by its units, the rest as in those so far."""
    each = sum(t.trial.seconds for t in tried) / sum(units(t.training) for t in tried)
    # the first trial also loads libraries and asks the bare model
    rest = median(t.rest for t in (tried[1:] or tried))
    return _MARGIN * (each * units(training) + rest)


def _merit(trial: Trial, least: float) -> tuple[bool, float, float, float]:
    return trial.locality >= least, trial.recall, trial.locality, -trial.seconds
