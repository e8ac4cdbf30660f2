"""Successive halving over epochs, from a space-filling draw of the other axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from harness.recipes import Training
from harness.tuning._pareto import Trial, score

FIRST = 36
"""Settings that are tried at the fewest epochs, of the 72 of `suites/grid`."""
_EARLY, _LATER = 1 / 2, 1 / 4
"""Shares that go on from the first rung and from later ones: one epoch tells little yet. Over 100 draws, held against
the full grid on the shipped model, what is recommended lies within 0.02 of its front in 98; thirds of 24 in 62."""


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
        """``count`` settings of the fewest epochs, spread over the product (scrambled Halton), each once."""
        from scipy.stats import qmc

        count = min(count, len(self.settings(self.epochs[0])))
        points, found = qmc.Halton(len(self.values), rng=seed), dict[Training, None]()
        while len(found) < count:
            (point,) = points.random(1)
            chosen = [own[int(u * len(own))] for u, own in zip(point, self.values.values(), strict=True)]
            found.setdefault(self.at(chosen, self.epochs[0]))
        return list(found)

    def share(self, trials: Sequence[Trial]) -> float:
        """Epochs that were trained for ``trials``, of those of the full grid."""
        return sum(t.training.epochs for t in trials) / (len(self.settings(self.epochs[0])) * sum(self.epochs))


def search(axes: Axes, tried: Callable[[Training], Trial], first: int = FIRST, seed: int = 0) -> list[Trial]:
    """All trials of a successive halving (Jamieson & Talwalkar 2016) over the rungs of ``axes``.

    ``first`` settings are tried at the fewest epochs; those with the best scores go on, half of them to the second
    rung and a quarter to each after it. Each trial is a training of its own, so that what is recommended is what was
    measured.
    """
    trials: list[Trial] = []
    rung = axes.drawn(first, seed)
    for number, epochs in enumerate(axes.epochs):
        found = [tried(replace(training, epochs=epochs)) for training in rung]
        trials += found
        found.sort(key=score, reverse=True)
        keep = _LATER if number else _EARLY
        rung = [trial.training for trial in found[: max(1, round(keep * len(found)))]]
    return trials
