"""What a judge's verdicts are worth, held against labelled pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.recipes import Labelled
from harness.stats import ErrorRates, Interval, cluster_bootstrap, kappa

SAME, DIFFER, UNDECIDED = "same", "differ", "undecided"


class Worth(NamedTuple):
    """How a judge did on one half of the labelled pairs; undecided counts as rejected."""

    pairs: int
    accuracy: Interval
    kappa: Interval
    """Cohen's, against the labels."""
    false_accepts: Interval
    """Share of the wrong answers that are accepted."""
    false_rejects: Interval
    """Share of the right answers that are not."""
    right: int
    """How many of the pairs are right."""
    undecided: int

    @property
    def rates(self) -> ErrorRates:
        """For ``rogan_gladen``."""
        accepted = 1 - self.false_rejects.estimate
        return ErrorRates(accepted, 1 - self.false_accepts.estimate, self.right, self.pairs - self.right)

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {k: v._asdict() if isinstance(v, Interval) else v for k, v in self._asdict().items()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Worth:
        """From ``plain``."""
        values: dict[str, Any] = {k: Interval(**v) if isinstance(v, dict) else v for k, v in kept.items()}
        return cls(**values)

    def __str__(self) -> str:
        found = f"accuracy {self.accuracy}, kappa {self.kappa}, false accepts {self.false_accepts},"
        return f"{found} false rejects {self.false_rejects} on {self.pairs} pairs, undecided {self.undecided}"


def decide(odds: float, cut: float) -> str:
    """The verdict on a case; a tie is undecided, and so is what is no number."""
    if math.isnan(odds) or odds == cut:
        return UNDECIDED
    return SAME if odds > cut else DIFFER


def best_cut(odds: Sequence[float], right: Sequence[bool]) -> float:
    """Where *same* best begins: of the cuts with the most verdicts right, the one nearest to 0.

    A judge may lean to *same* or *differ* themselves, which four ways of asking do not cancel.
    """
    steps = sorted(set(odds))
    cuts = [0.0, steps[0] - 1, *((a + b) / 2 for a, b in pairwise(steps)), steps[-1] + 1]
    return max(cuts, key=lambda cut: (sum((o > cut) == r for o, r in zip(odds, right, strict=True)), -abs(cut)))


def worth(pairs: Sequence[Labelled], verdicts: Sequence[str]) -> Worth:
    """How ``verdicts`` on ``pairs`` agree with the labels; pairs on one accepted answer stand or fall together."""
    labels, said = [pair.right for pair in pairs], [verdict == SAME for verdict in verdicts]
    facts = [pair.accepted for pair in pairs]
    rows = list(zip(labels, said, facts, strict=True))
    return Worth(
        len(pairs),
        cluster_bootstrap([float(label == s) for label, s, _ in rows], facts),
        kappa(labels, said, facts),
        _share([(s, fact) for label, s, fact in rows if not label]),
        _share([(not s, fact) for label, s, fact in rows if label]),
        sum(labels),
        sum(verdict == UNDECIDED for verdict in verdicts),
    )


def _share(rows: Sequence[tuple[bool, str]]) -> Interval:
    return cluster_bootstrap([float(hit) for hit, _ in rows], [fact for _, fact in rows])
