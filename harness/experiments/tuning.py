"""Rungs of more and more epochs, from a space-filling draw; what goes on is foretold from all that
was tried."""

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

PER_DOUBLING = 0.005
"""Of the score, for each doubling of the training's seconds: half a point for twice the time."""


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
    """The rule of the recommendation: the harmonic mean of recall and locality, less
    ``PER_DOUBLING`` a doubling of the seconds. The harmonic mean lets neither make up for the loss
    of the other."""
    both = trial.recall + trial.locality
    mean = 2 * trial.recall * trial.locality / both if both else 0.0
    return mean - PER_DOUBLING * math.log2(max(trial.seconds, 1.0))


def best(trials: Sequence[Trial]) -> Trial:
    """The one that the rule recommends; of equals the first. Raises ValueError on none."""
    return max(trials, key=score)


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Trials that no other beats in one of recall, locality and seconds without being worse in
    another."""
    return [one for one in trials if not any(_beats(other, one) for other in trials)]


def shortfall(trial: Trial, trials: Sequence[Trial]) -> float:
    """How far below the front of ``trials`` one lies: what both its recall and its locality lack of
    another that took no longer. The additive epsilon indicator of Zitzler et al. 2003, on the two
    shares; 0 on the front.
    """
    as_fast = [other for other in trials if other.seconds <= trial.seconds]
    lacks = (min(other.recall - trial.recall, other.locality - trial.locality) for other in as_fast)
    return max(0.0, max(lacks, default=0.0))


def _beats(one: Trial, other: Trial) -> bool:
    ours, theirs = ((t.recall, t.locality, -t.seconds) for t in (one, other))
    return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))


FIRST = 36
"""Settings that are tried at the fewest epochs, of the 72 of `suites/grid`."""
_LATER = (1 / 2, 1 / 7)
"""How many settings the second rung tries, and each after it, as shares of those of the first."""
_SMOOTHING = 0.1
"""Of the interpolation: scores of single trainings are noisy."""


class Axes(NamedTuple):
    """A grid: every value of every axis, around ``base``."""

    base: Training
    values: Mapping[str, Sequence[Any]]
    """By field of Training, but for ``alpha``: those are multiples of the rank."""
    epochs: Sequence[int]
    """The rungs of the search, from the fewest."""

    def at(self, chosen: Sequence[Any], epochs: int) -> Training:
        """The setting with ``chosen`` values, in the order of ``values``."""
        fields = dict(zip(self.values, chosen, strict=True))
        if "alpha" in fields:
            fields["alpha"] = max(1, round(fields["alpha"] * fields.get("rank", self.base.rank)))
        return replace(self.base, **fields, epochs=epochs)

    def settings(self, epochs: int) -> list[Training]:
        """The full product at one number of epochs."""
        return [self.at(chosen, epochs) for chosen in product(*self.values.values())]

    def drawn(self, count: int, seed: int = 0) -> list[Training]:
        """``count`` settings of the fewest epochs, spread over the product (scrambled Halton), each
        once."""
        from scipy.stats import qmc

        count = min(count, len(self.settings(self.epochs[0])))
        points, found = qmc.Halton(len(self.values), rng=seed), dict[Training, None]()
        while len(found) < count:
            (point,) = points.random(1)
            chosen = [
                own[int(u * len(own))] for u, own in zip(point, self.values.values(), strict=True)
            ]
            found.setdefault(self.at(chosen, self.epochs[0]))
        return list(found)

    def place(self, training: Training) -> list[float]:
        """Where a setting lies in the grid: steps along each axis, epochs last."""
        given = {name: getattr(training, name) for name in self.values} | {
            "alpha": training.alpha / training.rank
        }
        steps = [_nearest(own, given[name]) for name, own in self.values.items()]
        return [float(step) for step in (*steps, _nearest(self.epochs, training.epochs))]

    def share(self, trials: Sequence[Trial]) -> float:
        """Epochs that were trained for ``trials``, of those of the full grid."""
        return sum(t.training.epochs for t in trials) / (
            len(self.settings(self.epochs[0])) * sum(self.epochs)
        )


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
"""What is searched by default. 24 tokens cut most questions off before their answers."""
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
    designs = scenario.designs("default", setup)
    if not designs:
        raise RecipeError(f"the default grid of {scenario.name} is empty: give it a design")
    first = designs[0]
    # a setting may replay known facts where the design itself replays none
    replayed = first.replay or setup.knowledge.replay()
    return with_training(replace(first, replay=replayed), training)


def options(training: Training) -> str:
    """A setting of ``AXES`` as ``python -m harness train`` takes it."""
    fields = " ".join(f"{name}={getattr(training, name):g}" for name in PARAMETERS)
    return f"--preset steady --replay known --set replay=1 {fields}"


def search(
    axes: Axes, tried: Callable[[Training], Trial], first: int = FIRST, seed: int = 0
) -> list[Trial]:
    """All trials of a search over the rungs of ``axes``, in order.

    ``first`` settings are drawn and tried at the fewest epochs; half as many at the second rung, a
    seventh at each after it. As in successive halving (Jamieson & Talwalkar 2016) few get the
    longest training, but they are chosen among *all* settings, drawn or not, by the score that
    radial basis functions through all trials foretell there (Regis & Shoemaker 2007); on the last
    rung one by one. Each trial is a training of its own, so that what is recommended is what was
    measured.
    """
    trials = [tried(training) for training in axes.drawn(first, seed)]
    for number, epochs in enumerate(axes.epochs[1:]):
        left = axes.settings(epochs)
        count = min(len(left), max(1, round(_LATER[min(number, 1)] * first)))
        at_once = 1 if epochs == axes.epochs[-1] else count
        while count > 0:
            chosen = _likeliest(axes, trials, left, at_once)
            trials += [tried(training) for training in chosen]
            left = [training for training in left if training not in chosen]
            count -= len(chosen)
    return trials


def _likeliest(
    axes: Axes, trials: Sequence[Trial], settings: Sequence[Training], count: int
) -> list[Training]:
    """The ``count`` of ``settings`` with the best foretold scores; of equals the first."""
    from scipy.interpolate import RBFInterpolator

    seen, known = (
        [axes.place(trial.training) for trial in trials],
        [[score(trial)] for trial in trials],
    )
    foretold = RBFInterpolator(seen, known, kernel="linear", smoothing=_SMOOTHING)
    scores = foretold([axes.place(training) for training in settings])[:, 0]
    order = sorted(range(len(settings)), key=lambda i: -scores[i])
    return [settings[i] for i in order[:count]]


def _nearest(values: Sequence[Any], value: float) -> int:
    """The number of the value of an axis that is meant: alpha is rounded where it is a share of a
    small rank."""
    return min(range(len(values)), key=lambda i: abs(values[i] - value))
