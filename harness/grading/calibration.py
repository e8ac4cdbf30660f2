"""What a judge's verdicts are worth, held against labelled pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.recipes import Labelled
from harness.stats import ErrorRates, Interval, cluster_bootstrap, holm, kappa, paired_bootstrap

SAME, DIFFER, UNDECIDED = "same", "differ", "undecided"
_ALPHA = 0.05
"""Below it a difference between two graders is taken for one."""
_CONCLUSIONS = {
    "judge": "the judge is the better grader",
    "fuzzy": "the fuzzy grader is the better grader",
    "": "the two cannot be told apart",
}


class JudgeQuality(NamedTuple):
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
        return ErrorRates(
            accepted, 1 - self.false_accepts.estimate, self.right, self.pairs - self.right
        )

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {k: v._asdict() if isinstance(v, Interval) else v for k, v in self._asdict().items()}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> JudgeQuality:
        """From ``plain``."""
        values: dict[str, Any] = {
            k: Interval(**v) if isinstance(v, dict) else v for k, v in kept.items()
        }
        return cls(**values)

    def __str__(self) -> str:
        found = f"accuracy {self.accuracy}, kappa {self.kappa}, false accepts {self.false_accepts},"
        return (
            f"{found} false rejects {self.false_rejects} on {self.pairs} pairs, undecided"
            f" {self.undecided}"
        )


class Versus(NamedTuple):
    """A judge and the fuzzy grader on the very same labelled pairs."""

    group: str
    """Of the pairs; empty: all of them."""
    pairs: int
    judge: Interval
    """Share of the judge's verdicts that the labels bear out."""
    fuzzy: Interval
    """That of the fuzzy grader's."""
    difference: Interval
    """The judge's share minus the fuzzy grader's."""
    p: float
    """Of the paired test that the difference is 0; of several groups adjusted by Holm's method."""

    @property
    def better(self) -> str:
        """``judge`` or ``fuzzy``; empty where the pairs cannot tell them apart."""
        if self.p >= _ALPHA:
            return ""
        return "judge" if self.difference.estimate > 0 else "fuzzy"

    @property
    def conclusion(self) -> str:
        """Which grader is better here, in words."""
        return _CONCLUSIONS[self.better]

    def plain(self) -> dict[str, Any]:
        """JSON-ready, with ``better``."""
        return {
            k: v._asdict() if isinstance(v, Interval) else v for k, v in self._asdict().items()
        } | {"better": self.better}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Versus:
        """From ``plain``."""
        values: dict[str, Any] = {
            k: Interval(**v) if isinstance(v, dict) else v for k, v in kept.items()
        }
        return cls(**{name: values[name] for name in cls._fields})


def versus(pairs: Sequence[Labelled], judge: Sequence[bool], fuzzy: Sequence[bool]) -> list[Versus]:
    """All ``pairs``, then each group: who agrees more with the labels, the judge or the fuzzy
    grader?

    ``judge`` and ``fuzzy`` say which answers each accepts. Pairs on one accepted answer stand or
    fall together.
    """
    rows = [
        (float(j == pair.right), float(f == pair.right), pair)
        for pair, j, f in zip(pairs, judge, fuzzy, strict=True)
    ]
    names = list(dict.fromkeys(pair.group for pair in pairs))
    groups = [_versus(name, [row for row in rows if row[2].group == name]) for name in names]
    adjusted = holm([group.p for group in groups])
    return [
        _versus("", rows),
        *(group._replace(p=p) for group, p in zip(groups, adjusted, strict=True)),
    ]


def _versus(group: str, rows: Sequence[tuple[float, float, Labelled]]) -> Versus:
    judge, fuzzy = [j for j, _, _ in rows], [f for _, f, _ in rows]
    facts = [pair.accepted for _, _, pair in rows]
    paired = paired_bootstrap(fuzzy, judge, facts)
    shares = cluster_bootstrap(judge, facts), cluster_bootstrap(fuzzy, facts)
    return Versus(group, len(rows), *shares, paired.difference, paired.p)


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
    return max(
        cuts,
        key=lambda cut: (sum((o > cut) == r for o, r in zip(odds, right, strict=True)), -abs(cut)),
    )


def worth(pairs: Sequence[Labelled], verdicts: Sequence[str]) -> JudgeQuality:
    """How ``verdicts`` on ``pairs`` agree with the labels; pairs on one accepted answer stand or
    fall together."""
    labels, said = [pair.right for pair in pairs], [verdict == SAME for verdict in verdicts]
    facts = [pair.accepted for pair in pairs]
    rows = list(zip(labels, said, facts, strict=True))
    return JudgeQuality(
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
