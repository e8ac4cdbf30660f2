"""The search of training parameters: more and more epochs, the rest predicted by interpolation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from harness.errors import RecipeError
from harness.experiments.scenario import Design, Scenario, Setup
from harness.recipes import Training
from harness.training.presets import STEADY

FIRST = 36
"""Settings that are tried at the fewest epochs, of the 72 of `suites/grid`."""
PER_DOUBLING = 0.005
"""What the score loses for each doubling of the training's seconds: half a point."""
_LATER = (1 / 2, 1 / 7)
"""How many settings the second rung tries, and each rung after it, as shares of the first's."""
_SMOOTHING = 0.1
"""Of the interpolation, because the scores of single trainings are noisy."""


class Trial(NamedTuple):
    """A setting that was tried."""

    training: Training
    recall: float
    """Share of questions of the headline's kind that are answered right."""
    locality: float
    """Share of questions on untouched facts that are answered as the base answers."""
    seconds: float
    """Of its training."""


def score(trial: Trial) -> float:
    """The harmonic mean of recall and locality, less ``PER_DOUBLING`` a doubling of the seconds.

    In a harmonic mean neither can make up for the loss of the other.
    """
    both = trial.recall + trial.locality
    mean = 2 * trial.recall * trial.locality / both if both else 0.0
    # a training of less than a second gets no bonus
    return mean - PER_DOUBLING * math.log2(max(trial.seconds, 1.0))


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the best score; of equals the first. Raises ValueError on none."""
    return max(trials, key=score)


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The Pareto front: trials that no other beats in recall, locality and seconds."""
    return [trial for trial in trials if not any(_beats(other, trial) for other in trials)]


def shortfall(trial: Trial, trials: Sequence[Trial]) -> float:
    """How far ``trial`` is below the front of ``trials``; 0 on the front.

    It is the share by which another that took no longer is better in both recall and locality: the
    additive epsilon indicator of Zitzler et al. 2003.
    """
    as_fast = [other for other in trials if other.seconds <= trial.seconds]
    lacks = (min(other.recall - trial.recall, other.locality - trial.locality) for other in as_fast)
    return max(0.0, max(lacks, default=0.0))


class Axes(NamedTuple):
    """A grid: every value of every axis, around ``base``."""

    base: Training
    values: Mapping[str, Sequence[Any]]
    """By field of Training; those of ``alpha`` are multiples of the rank."""
    epochs: Sequence[int]
    """The rungs of the search, from the fewest."""

    def at(self, values: Sequence[Any], epochs: int) -> Training:
        """The setting with one value of each axis, in the order of ``self.values``."""
        fields = dict(zip(self.values, values, strict=True))
        if "alpha" in fields:
            fields["alpha"] = max(1, round(fields["alpha"] * fields.get("rank", self.base.rank)))
        return replace(self.base, **fields, epochs=epochs)

    def settings(self, epochs: int) -> list[Training]:
        """The full product at one number of epochs."""
        return [self.at(values, epochs) for values in product(*self.values.values())]

    def drawn(self, count: int, seed: int = 0) -> list[Training]:
        """``count`` different settings of the fewest epochs, spread by a scrambled Halton sequence.

        A grid with fewer settings gives all of them.
        """
        from scipy.stats import qmc

        count = min(count, len(self.settings(self.epochs[0])))
        points = qmc.Halton(len(self.values), rng=seed)
        settings: dict[Training, None] = {}
        # two points may fall on one setting, because axes have few values
        while len(settings) < count:
            (point,) = points.random(1)
            values = [
                axis[int(u * len(axis))]
                for u, axis in zip(point, self.values.values(), strict=True)
            ]
            settings.setdefault(self.at(values, self.epochs[0]))
        return list(settings)

    def position(self, training: Training) -> list[float]:
        """The position of a setting in the grid: steps along each axis, epochs last."""
        fields = {name: getattr(training, name) for name in self.values}
        fields["alpha"] = training.alpha / training.rank
        steps = [_nearest(axis, fields[name]) for name, axis in self.values.items()]
        return [float(step) for step in (*steps, _nearest(self.epochs, training.epochs))]

    def share(self, trials: Sequence[Trial]) -> float:
        """Epochs that were trained for ``trials``, as a share of those of the full grid."""
        trained = sum(trial.training.epochs for trial in trials)
        return trained / (len(self.settings(self.epochs[0])) * sum(self.epochs))


AXES = Axes(
    replace(STEADY, replay=1.0),
    {
        "lr": (3e-4, 1e-3, 3e-3),
        "rank": (8, 32, 128),
        "alpha": (1, 2),
        "cutoff": (24, 256),
        "warmup_steps": (0, 20),
    },
    epochs=(1, 3, 9),
)
"""The grid of the search. A cutoff of 24 tokens cuts most questions off before their answers."""
PARAMETERS = ("epochs", *AXES.values)
"""What ``AXES`` vary, by field of Training."""


def with_training(design: Design, training: Training) -> Design:
    """``design`` with one adapter, trained by ``training``.

    Its label names cutoff and warm-up, which ids do not name: ``cut24-warm0``.
    """
    label = f"cut{training.cutoff}-warm{training.warmup_steps}"
    return replace(design, training=training, adapters=(), label=label)


def design_of(scenario: Scenario, setup: Setup, training: Training) -> Design:
    """One setting on data and questions of the first design of the default grid of ``scenario``.

    Raises:
        RecipeError: the grid is empty.
    """
    first = _first(scenario, setup)
    # a setting may replay known facts where the design itself replays none
    replayed = first.replay or setup.knowledge.replay()
    return with_training(replace(first, replay=replayed), training)


def first_setting(scenario: Scenario, setup: Setup) -> Training:
    """The setting of the first design of the default grid. Raises RecipeError on an empty one."""
    return _first(scenario, setup).training


def _first(scenario: Scenario, setup: Setup) -> Design:
    designs = scenario.designs("default", setup)
    if not designs:
        raise RecipeError(f"the default grid of {scenario.name} is empty: give it a design")
    return designs[0]


def options(training: Training) -> str:
    """A setting of ``AXES`` as options of ``python -m harness train``."""
    fields = " ".join(f"{name}={getattr(training, name):g}" for name in PARAMETERS)
    return f"--preset steady --replay known --set replay=1 {fields}"


def search(
    axes: Axes, measured: Callable[[Training], Trial], first: int = FIRST, seed: int = 0
) -> list[Trial]:
    """All trials of a search over the rungs of ``axes``, in order.

    ``first`` settings are drawn and tried at the fewest epochs, half as many at the second rung,
    and a seventh at each rung after it. As in successive halving (Jamieson & Talwalkar 2016), few
    settings get the longest training. But they are chosen among *all* settings of the grid, by the
    score that radial basis functions through all trials predict (Regis & Shoemaker 2007); on the
    last rung one by one. Each trial is a training of its own, so what is recommended was measured.
    """
    trials = [measured(training) for training in axes.drawn(first, seed)]
    for number, epochs in enumerate(axes.epochs[1:]):
        untried = axes.settings(epochs)
        count = min(len(untried), max(1, round(_LATER[min(number, 1)] * first)))
        # the last rung costs most: each of its trials improves the choice of the next
        at_once = 1 if epochs == axes.epochs[-1] else count
        while count > 0:
            chosen = _most_promising(axes, trials, untried, at_once)
            trials += [measured(training) for training in chosen]
            untried = [training for training in untried if training not in chosen]
            count -= len(chosen)
    return trials


def _most_promising(
    axes: Axes, trials: Sequence[Trial], settings: Sequence[Training], count: int
) -> list[Training]:
    """The ``count`` of ``settings`` with the best predicted scores; of equals the first."""
    from scipy.interpolate import RBFInterpolator

    positions = [axes.position(trial.training) for trial in trials]
    scores = [[score(trial)] for trial in trials]
    predict = RBFInterpolator(positions, scores, kernel="linear", smoothing=_SMOOTHING)
    predicted = predict([axes.position(training) for training in settings])[:, 0]
    order = sorted(range(len(settings)), key=lambda i: -predicted[i])
    return [settings[i] for i in order[:count]]


def _beats(trial: Trial, other: Trial) -> bool:
    """Whether ``trial`` is better than ``other`` in one figure, and worse in none."""
    ours, theirs = ((t.recall, t.locality, -t.seconds) for t in (trial, other))
    return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))


def _nearest(values: Sequence[Any], value: float) -> int:
    """The index of the nearest value of an axis: alpha may have been rounded at a small rank."""
    return min(range(len(values)), key=lambda i: abs(values[i] - value))
