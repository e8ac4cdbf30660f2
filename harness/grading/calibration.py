"""How good a judge's verdicts are, measured on labelled pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from harness.recipes import Labelled
from harness.stats import ErrorRates, Interval, cluster_bootstrap, holm, kappa, paired_bootstrap

SAME, DIFFER, UNDECIDED = "same", "differ", "undecided"
_ALPHA = 0.05
"""Level of significance of a difference between two graders."""
_CONCLUSIONS = {
    "judge": "the judge is the better grader",
    "fuzzy": "the fuzzy grader is the better grader",
    "": "the two cannot be told apart",
}


class JudgeQuality(NamedTuple):
    """A judge's figures on one half of the labelled pairs; undecided counts as rejected."""

    pairs: int
    """Number of labelled pairs."""
    accuracy: Interval
    """Share of the verdicts that agree with the labels."""
    kappa: Interval
    """Cohen's kappa of the verdicts and the labels."""
    false_accepts: Interval
    """Share of the wrong answers that the judge accepts."""
    false_rejects: Interval
    """Share of the right answers that the judge does not accept."""
    right: int
    """Number of pairs whose label is right."""
    undecided: int
    """Number of pairs on which the judge did not decide."""

    @property
    def rates(self) -> ErrorRates:
        """Sensitivity and specificity, for ``harness.stats.rogan_gladen``."""
        sensitivity = 1 - self.false_rejects.estimate
        specificity = 1 - self.false_accepts.estimate
        return ErrorRates(sensitivity, specificity, self.right, self.pairs - self.right)

    def plain(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return _plain(self._asdict())

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> JudgeQuality:
        """The figures that ``plain`` gave."""
        return cls(**_with_intervals(values))

    def __str__(self) -> str:
        return (
            f"accuracy {self.accuracy}, kappa {self.kappa}, false accepts {self.false_accepts},"
            f" false rejects {self.false_rejects} on {self.pairs} pairs, undecided {self.undecided}"
        )


class Versus(NamedTuple):
    """A judge and the fuzzy grader, compared on the same labelled pairs."""

    group: str
    """Group of the pairs; empty for all pairs."""
    pairs: int
    """Number of labelled pairs."""
    judge: Interval
    """Share of the judge's verdicts that agree with the labels."""
    fuzzy: Interval
    """Share of the fuzzy grader's verdicts that agree with the labels."""
    difference: Interval
    """The judge's share minus the fuzzy grader's."""
    p: float
    """P-value of the paired test that the difference is 0; for groups adjusted by Holm's method."""

    @property
    def better(self) -> str:
        """``judge`` or ``fuzzy``; empty where the difference is not significant."""
        if self.p >= _ALPHA:
            return ""
        return "judge" if self.difference.estimate > 0 else "fuzzy"

    @property
    def conclusion(self) -> str:
        """Which grader is better, in words."""
        return _CONCLUSIONS[self.better]

    def plain(self) -> dict[str, Any]:
        """The fields and ``better`` as JSON values."""
        return _plain(self._asdict()) | {"better": self.better}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Versus:
        """The comparison that ``plain`` gave."""
        return cls(**_with_intervals({name: values[name] for name in cls._fields}))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value._asdict() if isinstance(value, Interval) else value
        for name, value in values.items()
    }


def _with_intervals(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values before ``_plain``."""
    return {
        name: Interval(**value) if isinstance(value, dict) else value
        for name, value in values.items()
    }


def versus(pairs: Sequence[Labelled], judge: Sequence[bool], fuzzy: Sequence[bool]) -> list[Versus]:
    """Which grader agrees more with the labels: first on all ``pairs``, then on each group.

    ``judge`` and ``fuzzy`` hold, for each pair, whether that grader accepts the answer. Pairs with
    the same accepted answer are one cluster of the bootstrap, as they are not independent.
    """
    hits = [
        (float(by_judge == pair.right), float(by_fuzzy == pair.right), pair)
        for pair, by_judge, by_fuzzy in zip(pairs, judge, fuzzy, strict=True)
    ]
    names = list(dict.fromkeys(pair.group for pair in pairs))
    groups = [_versus(name, [row for row in hits if row[2].group == name]) for name in names]
    adjusted = holm([group.p for group in groups])
    return [
        _versus("", hits),
        *(group._replace(p=p) for group, p in zip(groups, adjusted, strict=True)),
    ]


def _versus(group: str, hits: Sequence[tuple[float, float, Labelled]]) -> Versus:
    judge = [by_judge for by_judge, _, _ in hits]
    fuzzy = [by_fuzzy for _, by_fuzzy, _ in hits]
    clusters = [pair.accepted for _, _, pair in hits]
    paired = paired_bootstrap(fuzzy, judge, clusters)
    return Versus(
        group,
        len(hits),
        cluster_bootstrap(judge, clusters),
        cluster_bootstrap(fuzzy, clusters),
        paired.difference,
        paired.p,
    )


def decide(odds: float, cut: float) -> str:
    """The verdict on a case: ``same`` above ``cut``, ``differ`` below it (log-odds in nats).

    Odds that equal the cut, or are not a number, give ``undecided``.
    """
    if math.isnan(odds) or odds == cut:
        return UNDECIDED
    return SAME if odds > cut else DIFFER


def best_cut(odds: Sequence[float], right: Sequence[bool]) -> float:
    """The cut with the most right verdicts; of several such cuts, the one nearest to 0.

    A judge may prefer the meaning *same* or *differ*. Asking in four ways does not cancel that, so
    the cut is fitted.
    """
    values = sorted(set(odds))
    between = ((low + high) / 2 for low, high in pairwise(values))
    cuts = [0.0, values[0] - 1, *between, values[-1] + 1]

    def quality(cut: float) -> tuple[int, float]:
        hits = sum((value > cut) == label for value, label in zip(odds, right, strict=True))
        return hits, -abs(cut)

    return max(cuts, key=quality)


def worth(pairs: Sequence[Labelled], verdicts: Sequence[str]) -> JudgeQuality:
    """How well ``verdicts`` on ``pairs`` agree with the labels.

    Pairs with the same accepted answer are one cluster of the bootstrap.
    """
    labels = [pair.right for pair in pairs]
    accepts = [verdict == SAME for verdict in verdicts]
    clusters = [pair.accepted for pair in pairs]
    rows = list(zip(labels, accepts, clusters, strict=True))
    return JudgeQuality(
        pairs=len(pairs),
        accuracy=_share([(label == accept, cluster) for label, accept, cluster in rows]),
        kappa=kappa(labels, accepts, clusters),
        false_accepts=_share([(accept, cluster) for label, accept, cluster in rows if not label]),
        false_rejects=_share([(not accept, cluster) for label, accept, cluster in rows if label]),
        right=sum(labels),
        undecided=sum(verdict == UNDECIDED for verdict in verdicts),
    )


def _share(rows: Sequence[tuple[bool, str]]) -> Interval:
    """The share of hits in rows of (hit, cluster)."""
    return cluster_bootstrap([float(hit) for hit, _ in rows], [cluster for _, cluster in rows])
