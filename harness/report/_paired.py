"""Paired tests on the same questions: cells with each other, and shares before and now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from typing import NamedTuple

from harness.report._results import Mark, Result
from harness.report._tables import markdown_table, signed, words
from harness.stats import (
    Interval,
    Paired,
    detectable_difference,
    detectable_loss,
    holm,
    mcnemar,
    paired_bootstrap,
)

ALPHA = 0.05
"""Chance of any false alarm in a session in which nothing has changed."""
RECALL = "recall"
"""The measure over all questions on facts that were taught, of every kind."""
NO_ADAPTER = "no adapter"
"""The bare model, as what a cell is compared with."""
_SURE = 40  # facts: no random signs of so many are ever all alike
_LEVEL = 0.025
"""Of each side: 5% in all."""
_NOTE = (
    "Differences on the same questions, with 95% intervals. p is from a wild cluster bootstrap over"
    " facts, corrected for all tests of this table (Holm). *Could be found*: the smallest true"
    " difference that such a test, uncorrected, finds in 4 of 5 cases. The best cell was chosen on"
    " these same questions, so it looks better than it is: where p is large, there is no reason to"
    " prefer it."
)


class Compared(NamedTuple):
    """One cell against another, or against the bare model."""

    cell: str
    other: str
    """The id of another cell, or ``NO_ADAPTER``."""
    questions: int
    difference: Interval
    lost: int
    """Right in ``other``, wrong here."""
    gained: int
    mcnemar: float
    """McNemar's exact p, which takes questions as independent."""
    p: float
    """Of the wild cluster bootstrap, corrected (Holm) over all comparisons of the scenario."""
    detectable: float
    """Smallest difference that is found in 4 of 5 cases; nan where nothing varied."""


def comparisons(results: Sequence[Result], kind: str) -> list[Compared]:
    """Each adapted cell against its bare model and against the best cell, in recall of ``kind``."""
    cells = [result for result in results if result.adapted and kind in result.recall]
    pairs: list[tuple[Result, Result]] = [(cell, _bare(cell)) for cell in cells]
    best = max(cells, key=lambda cell: cell.recall[kind].estimate, default=None)
    pairs += [(cell, best) for cell in cells if best and cell is not best]
    resamples = enough_resamples(len(pairs))
    tests = [_compared(cell, other, kind, resamples) for cell, other in pairs]
    rows = [test for test in tests if test]
    ps = holm([row.p for row in rows])
    return [row._replace(p=p) for row, p in zip(rows, ps, strict=True)]


def comparison_table(rows: Sequence[Compared]) -> str:
    """A row for each comparison, below a note that explains it; empty without any."""
    if not rows:
        return ""
    head = ("cell", "against", "questions", "difference", "lost, gained", "p", "could be found")
    cells = [
        [
            row.cell,
            row.other,
            row.questions,
            signed(row.difference),
            f"{row.lost}, {row.gained}",
            f"{row.p:.2g}",
            "" if math.isnan(row.detectable) else f"{row.detectable:.3f}",
        ]
        for row in rows
    ]
    return f"{_NOTE}\n\n{markdown_table(head, cells)}"


def noise(results: Sequence[Result], kind: str) -> str:
    """One line on the differences that no comparison of two cells can find; empty without facts.

    It is computed before any data are seen, for a difference all in one direction.
    """
    cell = next((each for each in results if each.adapted and kind in each.recall), None)
    marks = [mark for mark in cell.marks if mark.kind == kind] if cell else []
    facts = len({mark.fact for mark in marks})
    if facts < 2:
        return ""
    each = len(marks) / facts
    even, whole = (detectable_loss(facts, each, together, alpha=_LEVEL) for together in (0.0, 1.0))
    return (
        f"differences in {words(kind)} below {even:.2f} (spread evenly) to {whole:.2f}"
        f" (striking whole facts) are noise: {facts} facts, {each:.1f} questions each"
    )


class Pair(NamedTuple):
    """One question, with its verdict before and now."""

    probe: str
    kind: str
    fact: str
    before: bool
    now: bool
    prompt: str
    answer: str
    """The answer now."""
    accepted: str


class Flip(NamedTuple):
    """A question that was answered right before, and is answered wrong now."""

    probe: str
    kind: str
    prompt: str
    answer: str
    accepted: str


class Change(NamedTuple):
    """One share, before and now, on the same questions."""

    measure: str
    """A kind of recall, ``recall`` for all kinds together, ``known`` for all questions on untouched
    facts, or ``locality`` for those of them that are answered as by the bare model."""
    before: float
    now: float
    difference: Interval
    p: float
    """Of the hypothesis that it did not fall by more than the tolerance; corrected for every share
    of every compared cell."""
    worse: bool
    questions: int
    gained: int
    flips: tuple[Flip, ...]
    facts: int
    needed: int
    """The number of facts that could show a loss, where these are too few to show any; else 0."""
    detectable: tuple[float, float] | None
    """Losses found in 4 of 5 cases: spread evenly over the questions, and striking whole facts;
    None where none can be found."""

    def __str__(self) -> str:
        return (
            f"{self.measure} fell from {self.before:.3f} to {self.now:.3f}"
            f" ({signed(self.difference)}, corrected p {self.p:.2g}): of {self.questions} questions"
            f" {len(self.flips)} flipped to wrong, {self.gained} to right"
        )


def changes(groups: Mapping[str, Sequence[Pair]], tolerance: float, cells: int) -> Iterator[Change]:
    """The share of each measure in ``groups``, with a test whether it fell.

    A share is worse where a paired test over facts says that it fell by more than ``tolerance``.
    Holm's correction goes over the shares of the cell, half its weight on all recall together, and
    each p-value is multiplied by the number of ``cells`` compared in the session (Bonferroni). That
    bounds the chance of any false alarm as Holm over all would. But the verdict on a cell does not
    depend on other cells, which with ``-x`` or on xdist's workers are not there yet.
    """
    weights = [max(1, len(groups) - 1) if name == RECALL else 1 for name in groups]
    alphas = [ALPHA * weight / sum(weights) / cells for weight in weights]
    tests = [
        _test(pairs, tolerance, alpha) for pairs, alpha in zip(groups.values(), alphas, strict=True)
    ]
    ps = holm([test.p for test in tests], weights)
    rows = zip(groups.items(), tests, ps, alphas, strict=True)
    for (name, pairs), test, p, alpha in rows:
        yield _change(name, pairs, test, min(1.0, cells * p), alpha, tolerance)


def with_recall(groups: Mapping[str, Sequence[Pair]]) -> dict[str, Sequence[Pair]]:
    """``groups`` of the kinds of recall, after one group of all their questions together.

    All recall together is the measure with the least noise, so it is tested as well.
    """
    together = [pair for pairs in groups.values() for pair in pairs]
    return {RECALL: together, **groups} if together else {}


def distinct_flips(changes: Sequence[Change]) -> tuple[Flip, ...]:
    """The flips of ``changes``, each once: those of one kind are also flips of all recall."""
    return tuple(dict.fromkeys(flip for change in changes for flip in change.flips))


def enough_resamples(tests: int) -> int:
    """So many that the smallest possible p-value survives Holm's correction."""
    return max(2000, 40 * tests)


def _bare(cell: Result) -> Result:
    """The bare model on the questions of ``cell``."""
    marks = tuple(mark._replace(right=mark.known, same=True) for mark in cell.marks)
    return cell._replace(bare=True, marks=marks)


def _compared(cell: Result, other: Result, kind: str, resamples: int) -> Compared | None:
    """None where no question was put to both."""
    others = {mark.id: mark for mark in other.marks if mark.kind == kind}
    pairs: list[tuple[Mark, Mark]] = [
        (others[mark.id], mark) for mark in cell.marks if mark.kind == kind and mark.id in others
    ]
    if not pairs:
        return None
    before = [old.right for old, _ in pairs]
    now = [new.right for _, new in pairs]
    test = paired_bootstrap(before, now, [new.fact for _, new in pairs], resamples=resamples)
    changed = mcnemar(before, now)
    varied = test.clusters > 1 and test.spread > 0
    return Compared(
        cell=cell.id,
        other=NO_ADAPTER if other.bare else other.id,
        questions=len(pairs),
        difference=test.difference,
        lost=changed.lost,
        gained=changed.gained,
        mcnemar=changed.p,
        p=test.p,
        detectable=detectable_difference(test.clusters, test.spread, _LEVEL)
        if varied
        else math.nan,
    )


def _test(pairs: Sequence[Pair], tolerance: float, alpha: float) -> Paired:
    return paired_bootstrap(
        [float(pair.before) for pair in pairs],
        [float(pair.now) for pair in pairs],
        [pair.fact for pair in pairs],
        "less",
        tolerance,
        resamples=_resamples(alpha),
    )


def _resamples(alpha: float) -> int:
    """So many that the smallest possible p-value survives the correction."""
    return max(2000, math.ceil(10 / alpha))


def _needed(facts: int, alpha: float) -> int:
    """0 where a loss of all ``facts`` is found at ``alpha``; else the number that would do."""
    enough = next(
        more for more in count(facts) if _least_p(min(more, _SURE), _resamples(alpha)) <= alpha
    )
    return enough if enough > facts else 0


@cache
def _least_p(facts: int, resamples: int) -> float:
    """The p-value where all of ``facts`` are lost.

    It is about ``2 ** -facts``: only one pattern of random signs has a sum that is as low.
    """
    return paired_bootstrap(
        [1.0] * facts, [0.0] * facts, range(facts), "less", resamples=resamples
    ).p


def _change(
    name: str, pairs: Sequence[Pair], test: Paired, p: float, alpha: float, tolerance: float
) -> Change:
    lost = [pair for pair in pairs if pair.before and not pair.now]
    facts = test.clusters
    needed = _needed(facts, alpha)
    return Change(
        measure=name,
        before=sum(pair.before for pair in pairs) / len(pairs),
        now=sum(pair.now for pair in pairs) / len(pairs),
        difference=test.difference,
        p=p,
        worse=p <= ALPHA,
        questions=len(pairs),
        gained=sum(pair.now > pair.before for pair in pairs),
        flips=tuple(
            Flip(pair.probe, pair.kind, pair.prompt, pair.answer, pair.accepted) for pair in lost
        ),
        facts=facts,
        needed=needed,
        detectable=None if needed else _detectable(facts, len(pairs), tolerance, alpha),
    )


def _detectable(facts: int, questions: int, tolerance: float, alpha: float) -> tuple[float, float]:
    """See ``Change.detectable``."""
    each = questions / facts
    return (
        detectable_loss(facts, each, 0, alpha, tolerance=tolerance),
        detectable_loss(facts, each, 1, alpha, tolerance=tolerance),
    )
