"""Successive halving over epochs, from a space-filling draw of the other axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from scipy.stats import qmc

from harness.recipes import Training
from harness.tuning._pareto import Trial, score


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


def search(
    axes: Axes, tried: Callable[[Training], Trial], first: int = 24, keep: float = 1 / 3, seed: int = 0
) -> list[Trial]:
    """All trials of a successive halving (Jamieson & Talwalkar 2016) over the rungs of ``axes``.

    ``first`` settings are tried at the fewest epochs; of each rung the share ``keep`` with the best scores goes on to
    the next. Each trial is a training of its own, so that what is recommended is what was measured.
    """
    trials: list[Trial] = []
    rung = axes.drawn(first, seed)
    for epochs in axes.epochs:
        found = [tried(replace(training, epochs=epochs)) for training in rung]
        trials += found
        found.sort(key=score, reverse=True)
        rung = [trial.training for trial in found[: max(1, round(keep * len(found)))]]
    return trials
