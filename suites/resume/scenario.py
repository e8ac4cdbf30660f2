"""Two texts, one after the other: what the training on the second leaves of the first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from harness.data.awards import AUGMENTED, LOCALITY_COUNT, dataset, new_rows
from harness.data.awards import probes as award_probes
from harness.data.knowledge import some_locality_questions
from harness.experiments import AdapterSpec, Cell, Design, Evidence, Scenario, Setup, number
from harness.experiments.measures import recall
from harness.recipes import Dataset, ProbeSet, Sample
from harness.stats import Interval, cluster_ratio
from harness.training.presets import STEADY

HALVES = ("first", "second")
COUNT = 6
"""Facts in each half."""
SETTING = replace(STEADY, replay=1.0)
BEFORE = "before"
"""Label of the cells that retention is measured from."""
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the first text that are trained again with the second, in the full grid."""
RATES = (1e-4, 3e-4)
"""Learning rates of the second training in the full grid, beside that of the first."""


def default(setup: Setup) -> Iterator[Design]:
    """Each text alone; then the other on the same adapter, in both orders.

    After the first text, the second also comes with some of the first, and at a lower rate. Last,
    both texts as one, and two adapters, one a text.
    """
    second_first = HALVES[::-1]
    shares = {HALVES: (0.25,), second_first: ()}
    return _designs(setup, shares, {HALVES: (3e-4,), second_first: ()})


def full(setup: Setup) -> Iterator[Design]:
    """More shares and rates, in both orders."""
    orders = (HALVES, HALVES[::-1])
    return _designs(setup, dict.fromkeys(orders, SHARES), dict.fromkeys(orders, RATES))


def measures(evidence: Evidence) -> dict[str, Interval]:
    """``all``: recall on both texts; ``retained``: recall on the earlier text, over what it was.

    What it was is measured right after its own training.
    """
    figures = {"all": recall([line for line in evidence.lines if line.kind in HALVES])}
    cell = evidence.cell
    if not evidence.adapted or not cell.subject.trains or cell.factors["way"] == "alone":
        return figures
    reference = evidence.of(before(cell))
    pairs = [
        (now, then)
        for now, then in zip(evidence.lines, reference.lines, strict=True)
        if now.kind == cell.factors["earlier"]
    ]
    after = [float(now.right) for now, _ in pairs]
    earlier = [float(then.right) for _, then in pairs]
    ratio = cluster_ratio(after, earlier, [now.fact for now, _ in pairs])
    return figures | ({"retained": ratio} if ratio else {})


def facts(name: str) -> tuple[str, ...]:
    """Ids of the facts of a half: every other award, so that the halves are alike."""
    return tuple(row.id for row in new_rows()[HALVES.index(name) :: 2][:COUNT])


@cache
def half(name: str) -> Dataset:
    """``first`` or ``second``."""
    return Dataset.of(name, _samples(name))


@cache
def both() -> Dataset:
    """The two as one text."""
    return Dataset.of("both", (*_samples("first"), *_samples("second")))


@cache
def rehearsed(name: str, other: str, share: float, seed: int = 0) -> Dataset:
    """The half ``name`` with ``share`` of the samples of the ``other``, drawn by ``seed``."""
    others = _samples(other)
    again = random.Random(seed).sample(others, round(share * len(others)))
    return Dataset.of(name, (*_samples(name), *again))


@cache
def probes() -> ProbeSet:
    """Rephrased questions of the kinds ``first`` and ``second``, and some on untouched facts."""
    rephrased = [probe for probe in award_probes(AUGMENTED).probes if probe.kind == "rephrased"]
    of_halves = [
        replace(probe, kind=name)
        for name in HALVES
        for probe in rephrased
        if probe.fact in facts(name)
    ]
    return ProbeSet.of("halves", (*of_halves, *some_locality_questions(LOCALITY_COUNT)))


def before(cell: Cell) -> Cell:
    """The cell with the earlier text of ``cell`` alone."""
    earlier = str(cell.factors["earlier"])
    training = replace(SETTING, seed=cell.training.seed)
    # the replayed facts are also what GPTQ calibrates on, in every design of this suite
    spec = AdapterSpec(half(earlier), training, cell.subject.calibration_text)
    return cell.changed(
        subject=replace(cell.subject, adapters=(spec,)),
        dataset=half(earlier),
        training=training,
        factors=_factors("alone", earlier),
        label=BEFORE,
    )


def _samples(name: str) -> tuple[Sample, ...]:
    return tuple(text for text in dataset(AUGMENTED).samples if text.fact in facts(name))


Order = tuple[str, str]
"""The names of the two halves, in the order of their training."""


def _designs(
    setup: Setup,
    shares: Mapping[Order, Sequence[float]],
    rates: Mapping[Order, Sequence[float]],
) -> Iterator[Design]:
    """``shares`` of the earlier text are told again, and the later is trained at ``rates``."""
    known = setup.knowledge.replay()
    training = replace(SETTING, seed=setup.seed)
    design = partial(Design, training=SETTING, questions=probes(), replay=known)
    for name in HALVES:
        yield design(half(name), factors=_factors("alone", name), label=BEFORE)
    for order in shares:
        earlier, later = order
        start = AdapterSpec(half(earlier), training, known)
        yield _resumed(design, start, half(later))
        for share in shares[order]:
            yield _resumed(design, start, rehearsed(later, earlier, share, setup.seed), share)
        for lr in rates[order]:
            yield _resumed(design, start, half(later), lr=lr)
    yield design(both(), factors=_factors("at once"), label="at_once")
    first, second = (
        AdapterSpec(half(name), replace(training, seed=1000 * setup.seed + place), known)
        for place, name in enumerate(HALVES)
    )
    stacked = _factors("stacked")
    yield design(both(), factors=stacked, label="stacked", adapters=(first, second))
    above = replace(second, frozen=(first,))
    on_top = _factors("on top")
    yield design(both(), factors=on_top, label="on_top", adapters=(first, above))


def _resumed(
    design: partial[Design],
    start: AdapterSpec,
    text: Dataset,
    again: float = 0.0,
    lr: float = SETTING.lr,
) -> Design:
    """The adapter of ``start``, trained further on ``text``, ``again`` with that share of its own.

    The seed differs from that of ``start``, or the batches would come in the same order.
    """
    earlier = start.dataset.name
    training = replace(start.training, lr=lr)
    reseeded = replace(training, seed=1000 * training.seed + 1)
    spec = AdapterSpec(text, reseeded, start.replay, init_from=start)
    more = f"_again{number(again)}" if again else ""
    return design(
        text,
        training=training,
        factors=_factors("resumed", earlier, again),
        label=f"{earlier}_then_{text.name}{more}",
        adapters=(spec,),
    )


def _factors(way: str, earlier: str = HALVES[0], again: float = 0.0) -> dict[str, str | float]:
    """How the texts are trained, which one retention is about, and what share is told again."""
    return {"way": way, "earlier": earlier, "again": again}


SCENARIO = Scenario(
    "resume",
    "Going on with a second text",
    grids={"default": default, "full": full},
    measures=measures,
    headline="first",
)
