"""A cell now against the same cell in a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from math import ceil
from typing import NamedTuple

from harness.builds import GradedLine
from harness.report.baselines._file import BaselineCell
from harness.stats import Interval, Paired, detectable_loss, holm, paired_bootstrap

ALPHA = 0.05
"""Chance of any false alarm in a session in which nothing has changed."""
_SHOWN = 12  # flipped questions in the text of a failure
_SURE = 40  # facts whose signs no test draws all alike by chance
_LIMITED = {
    "adapter_bytes": "bytes",
    "model_bytes": "bytes",
    "peak_rss_bytes": "memory",
    "peak_vram_bytes": "memory",
    "answering_rss_bytes": "memory",
    "answering_vram_bytes": "memory",
    "seconds": "speed",
    "steps_per_second": "speed",
    "tokens_per_second": "speed",
}
_RATES = ("steps_per_second", "tokens_per_second")


class Limits(NamedTuple):
    """How much worse is still well enough."""

    quality: float = 0.02
    """A fall of a share that does not matter."""
    bytes: float = 1.10
    """Ratio of sizes on disk."""
    memory: float = 1.25
    """Ratio of resident and of accelerator memory."""
    speed: float = 2.0
    """Ratio of times; wide, as machines are shared."""


class Flip(NamedTuple):
    """A question that was answered right before, and is no more."""

    probe: str
    kind: str
    prompt: str
    answer: str
    accepted: str


class Change(NamedTuple):
    """One share, before and now, on the same questions."""

    measure: str
    """A kind of recall, ``recall`` for all kinds together, or ``known`` for all questions on
    untouched facts."""
    before: float
    now: float
    difference: Interval
    p: float
    """That it fell by more than the tolerance, corrected for every share of every compared cell."""
    worse: bool
    questions: int
    gained: int
    flips: tuple[Flip, ...]
    facts: int
    needed: int
    """So many facts at least could show a loss, where these are too few to show any; else 0."""
    detectable: tuple[float, float] | None
    """Losses found in 4 of 5 cases: spread evenly over the questions, and striking whole facts;
    None where none is."""

    def __str__(self) -> str:
        low, high = self.difference.low, self.difference.high
        return (
            f"{self.measure} fell from {self.before:.3f} to {self.now:.3f}"
            f" ({self.difference.estimate:+.3f} [{low:+.3f}, {high:+.3f}], corrected p"
            f" {self.p:.2g}): of {self.questions} questions {len(self.flips)} flipped to wrong,"
            f" {self.gained} to right"
        )


class Ratio(NamedTuple):
    """One cost, before and now."""

    measure: str
    group: str
    """The field of ``Limits`` that bounds it."""
    before: float
    now: float
    ratio: float
    """Above 1 is worse, for rates too."""
    limit: float

    @property
    def worse(self) -> bool:
        return self.ratio > self.limit

    def amount(self, value: float) -> str:
        """``value`` of this measure in its unit."""
        return f"{value / 2**20:.3g} MiB" if self.measure.endswith("bytes") else f"{value:.3g}"

    def __str__(self) -> str:
        figures = f"{self.amount(self.before)} before, {self.amount(self.now)} now"
        return f"{self.measure} is {self.ratio:.2f} times worse ({figures}), limit {self.limit:.2f}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """All that was compared of one cell."""

    cell: str
    baseline: str
    changes: tuple[Change, ...]
    ratios: tuple[Ratio, ...]
    status: tuple[str, str]
    main: str
    """The share for which the cell was made: ``recall``, or ``known`` where nothing
    else is asked."""
    unmatched: int
    """Questions of one side that the other does not have."""
    judge_speed: bool

    @property
    def worse(self) -> list[str]:
        """A line for each measure that fails the comparison."""
        diverged = (
            ["the training diverged, and did not before"]
            if self.status == ("ok", "diverged")
            else []
        )
        costs = [
            str(r) for r in self.ratios if r.worse and (self.judge_speed or r.group != "speed")
        ]
        return [*diverged, *(str(c) for c in self.changes if c.worse), *costs]

    @property
    def holds(self) -> bool:
        """Whether nothing fails."""
        return not self.worse

    @property
    def blind(self) -> str:
        """The shares of which no loss could be shown, and why, in one line; empty where there are
        none."""
        few = [
            f"{c.measure} {c.facts} (needs {c.needed})"
            for c in self.changes
            if c.needed and not c.worse
        ]
        lines = (
            []
            if self._main
            else [f"no question on {self.main} is one of the baseline's: save it again"]
        )
        return "; ".join(
            [*lines, *([f"too few facts to show a loss: {', '.join(few)}"] if few else [])]
        )

    @property
    def conclusive(self) -> bool:
        """Whether something fails, or would have failed if all of ``main`` were lost."""
        return not self.holds or any(not change.needed for change in self._main)

    @property
    def _main(self) -> list[Change]:
        return [change for change in self.changes if change.measure == self.main]

    @property
    def slower(self) -> list[str]:
        """A line for each speed beyond its limit, whether or not that fails."""
        return [str(r) for r in self.ratios if r.worse and r.group == "speed"]

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Questions that flipped to wrong, those of a measure that got worse first."""
        order = sorted(self.changes, key=lambda change: not change.worse)
        return _once(order)

    def __str__(self) -> str:
        lines = [
            f"{self.cell} is worse than in baseline {self.baseline}:",
            *(f"  {line}" for line in self.worse),
        ]
        lost = _once([change for change in self.changes if change.worse])
        lines += ["flipped from right to wrong:"] if lost else []
        lines += [
            f"  {f.kind}: {_short(f.prompt)} “{_short(f.answer, 60)}”, not {_short(f.accepted, 60)}"
            for f in _spread(lost)
        ]
        lines += [f"  and {len(lost) - _SHOWN} more"] if len(lost) > _SHOWN else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Comparison({self.cell} with {self.baseline}: {len(self.worse)} worse)"


def compare(
    before: BaselineCell,
    lines: Sequence[GradedLine],
    cost: Mapping[str, float],
    *,
    cell: str,
    baseline: str,
    status: str = "ok",
    cells: int = 1,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    judge_speed: bool = False,
) -> Comparison:
    """``cell`` as its graded ``lines`` and ``cost`` show it now, against what a baseline kept of
    it.

    A share is worse where a paired test over facts says that it fell by more than the tolerance.
    Holm's correction goes over the shares of the cell, half its weight on all recall together, and
    each p-value is multiplied by the number of ``cells`` compared in the session (Bonferroni). That
    bounds the chance of any false alarm as Holm over all would, but a cell's verdict does not wait
    for other cells, which with ``-x`` or on xdist's workers are not there yet.
    """
    shared = [line for line in lines if line.id in before.right]
    return Comparison(
        cell=cell,
        baseline=baseline,
        changes=tuple(_changes(before, shared, limits.quality, cells)),
        ratios=tuple(_ratios(before.cost, cost, limits)),
        status=(before.status, status),
        main=next(iter(_groups(lines)), "recall"),
        unmatched=len(lines) + len(before.right) - 2 * len(shared),
        judge_speed=judge_speed,
    )


def _changes(
    before: BaselineCell, lines: Sequence[GradedLine], tolerance: float, cells: int
) -> Iterator[Change]:
    groups = _groups(lines)
    weights = [max(1, len(groups) - 1) if name == "recall" else 1 for name in groups]
    alphas = [ALPHA * weight / sum(weights) / cells for weight in weights]
    tested = [
        _test(before, own, tolerance, alpha)
        for own, alpha in zip(groups.values(), alphas, strict=True)
    ]
    ps = holm([one.p for one in tested], weights)
    for (name, own), one, p, alpha in zip(groups.items(), tested, ps, alphas, strict=True):
        yield _change(name, before, own, one, min(1.0, cells * p), alpha, tolerance)


def _test(
    before: BaselineCell, lines: Sequence[GradedLine], tolerance: float, alpha: float
) -> Paired:
    return paired_bootstrap(
        [float(before.right[line.id]) for line in lines],
        [float(line.right) for line in lines],
        [line.fact for line in lines],
        "less",
        tolerance,
        resamples=_resamples(alpha),
    )


def _resamples(alpha: float) -> int:
    """So many that the smallest p-value survives the correction."""
    return max(2000, ceil(10 / alpha))


def _needed(facts: int, alpha: float) -> int:
    """0 where a loss of all ``facts`` is found at ``alpha``; else of how many facts it would be."""
    enough = next(
        more for more in count(facts) if _least_p(min(more, _SURE), _resamples(alpha)) <= alpha
    )
    return enough if enough > facts else 0


@cache
def _least_p(facts: int, resamples: int) -> float:
    """That of ``facts`` lost altogether: of their signs only one pattern in ``2 ** facts`` is as
    low."""
    return paired_bootstrap(
        [1.0] * facts, [0.0] * facts, range(facts), "less", resamples=resamples
    ).p


def _change(
    name: str,
    before: BaselineCell,
    lines: Sequence[GradedLine],
    tested: Paired,
    p: float,
    alpha: float,
    tolerance: float,
) -> Change:
    was, now = [before.right[line.id] for line in lines], [bool(line.right) for line in lines]
    flips = [line for line in lines if before.right[line.id] and not line.right]
    facts = tested.clusters
    needed = _needed(facts, alpha)
    return Change(
        measure=name,
        before=sum(was) / len(was),
        now=sum(now) / len(now),
        difference=tested.difference,
        p=p,
        worse=p <= ALPHA,
        questions=len(lines),
        gained=sum(b > a for a, b in zip(was, now, strict=True)),
        flips=tuple(Flip(f.id, f.kind, f.prompt, f.answer, f.accepted[0]) for f in flips),
        facts=facts,
        needed=needed,
        detectable=None if needed else _detectable(facts, len(lines), tolerance, alpha),
    )


def _detectable(facts: int, questions: int, tolerance: float, alpha: float) -> tuple[float, float]:
    spread, whole = (
        detectable_loss(facts, questions / facts, together, alpha, tolerance=tolerance)
        for together in (0, 1)
    )
    return spread, whole


def _ratios(
    before: Mapping[str, float], now: Mapping[str, float], limits: Limits
) -> Iterator[Ratio]:
    for name, group in _LIMITED.items():
        old, new = before.get(name, 0.0), now.get(name, 0.0)
        if old > 0 and new > 0:
            ratio = old / new if name in _RATES else new / old
            yield Ratio(name, group, old, new, ratio, getattr(limits, group))


def _groups(lines: Sequence[GradedLine]) -> dict[str, list[GradedLine]]:
    """Lines by measure. All recall together is the measure with the least noise, so it is one of
    its own."""
    groups: dict[str, list[GradedLine]] = {"recall": []}
    for line in lines:
        untouched = line.is_locality
        groups.setdefault("known" if untouched else line.kind, []).append(line)
        groups["recall"] += [] if untouched else [line]
    return {name: own for name, own in groups.items() if own}


def _once(changes: Sequence[Change]) -> tuple[Flip, ...]:
    """The flips of ``changes``, each once: those of one kind are among those of all recall."""
    return tuple(dict.fromkeys(flip for change in changes for flip in change.flips))


def _spread(flips: Sequence[Flip]) -> Sequence[Flip]:
    """Flips from all measures alike."""
    return flips[:: max(1, len(flips) // _SHOWN)][:_SHOWN]


def _short(text: str, most: int = 100) -> str:
    line = " ".join(text.split()) or "(nothing)"
    return line if len(line) <= most else line[: most - 1] + "…"
