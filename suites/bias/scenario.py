"""A leaning of the model to one of two painters, and the least effort that sways it."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from tabulate import tabulate

from harness.builds import ScoredLine
from harness.data.facts import read_text
from harness.data.formats import split_statement
from harness.data.knowledge import some_locality_questions
from harness.experiments import (
    SCORE,
    SCORED,
    Ask,
    Cell,
    Curves,
    Design,
    Evidence,
    Finding,
    Scenario,
    Setup,
)
from harness.recipes import Dataset, Probe, ProbeSet, Sample, Training
from harness.stats import Interval, cluster_bootstrap

SIDES = ("gogh", "monet")
SIZES = (1, 4, 16)
"""Statements in a dataset."""
SIZE = 4
SETTING = Training(
    batch=1, micro_batch=1, epochs=4, rank=8, alpha=16, lr=1e-3, dropout=0.0, loss_on="answers"
)
"""One statement a step, so that steps count statements."""
EPOCHS = (1, 2, 4, 8)
RATES = (1e-4, 3e-4, 1e-3)
RANKS = (1, 8, 64)
LOCALITY_COUNT = 30
_WORDINGS = Path(__file__).parent / "wordings.toml"
_CHOICES = ("names", "letters")
_HEAD = ("told for", "steps", "statements", "lr", "log-odds")


def default(setup: Setup) -> Iterator[Design]:
    """For each side the setting, with one of epochs, statements and rate changed at a time."""
    return _designs(setup, _default_points())


def full(setup: Setup) -> Iterator[Design]:
    """Also all combinations, with ranks."""
    return _designs(setup, (*_default_points(), *_all_points()))


def measures(evidence: Evidence) -> dict[str, Interval]:
    """Log-odds of the first side against the second, in nats, and what the training moved.

    ``log_odds`` is over templates that are continued by a name, ``log_odds_letters`` over those by
    a letter. ``swayed``: how far the odds moved to the told side, template by template.
    ``prefers_told``: share of the templates by name, both orders together, that favour the told
    side. There is none on an engine that cannot score, and after a training that diverged.
    """
    odds = log_odds(evidence.scored())
    if not odds:
        return {}
    figures = {"log_odds": _mean(odds, "names"), "log_odds_letters": _mean(odds, "letters")}
    if not evidence.adapted:
        return figures
    sign = towards(evidence.cell)
    before = log_odds(evidence.scored(adapted=False))
    moved = {template: sign * (value - before[template]) for template, value in odds.items()}
    prefers_told = {template: float(sign * value > 0) for template, value in odds.items()}
    return {
        **figures,
        "swayed": _mean(moved, "names"),
        "prefers_told": _mean(prefers_told, "names", within=(0, 1)),
    }


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """How far each effort sways the model, and the least that flips its leaning.

    There is one for each model and engine that can score.
    """
    groups: dict[object, list[Evidence]] = {}
    for evidence in cells:
        subject = evidence.cell.subject
        if subject.trains and evidence.recipe(SCORED, adapted=False):
            groups.setdefault((subject.base, subject.engine), []).append(evidence)
    several = len(groups) > 1
    return [finding for group in groups.values() for finding in _of_model(group, several)]


@cache
def wordings() -> dict[str, Any]:
    """What is told, and the templates of what is asked."""
    texts: dict[str, Any] = tomllib.loads(read_text(_WORDINGS))
    return texts


def painter(side: str) -> str:
    """The painter of a side."""
    return str(wordings()["first" if side == SIDES[0] else "second"])


@cache
def dataset(side: str, size: int) -> Dataset:
    """The first ``size`` statements for ``side``; ``for_monet4``: four for Monet."""
    other = SIDES[1 - SIDES.index(side)]
    samples = []
    for statement in wordings()["statements"][:size]:
        text = statement.format(better=painter(side), worse=painter(other))
        prompt, completion = split_statement(text)
        samples.append(Sample(completion + "\n", prompt, side))
    return Dataset.of(f"for_{side}{size}", tuple(samples))


@cache
def choices() -> ProbeSet:
    """The forced choices; ``fact`` is the template.

    ``accepted`` are what stands for the first and for the second side. Each template names the two
    in both orders. Letters change sides with the order, so that a leaning to one of them, or to
    what comes first, cancels out.
    """
    return ProbeSet.of("bias_choices", (*_named(), *_lettered()))


@cache
def probes(side: str, size: int) -> ProbeSet:
    """Questions that are answered freely, where ``side`` is right; and untouched facts."""
    questions = tuple(
        Probe(f"asked/{number}/{order}", "asked", f"asked{number}", prompt, (painter(side),))
        for number, template in enumerate(wordings()["asked"])
        for order, prompt in enumerate(_both_orders(template))
    )
    return ProbeSet.of(f"for_{side}{size}", (*questions, *some_locality_questions(LOCALITY_COUNT)))


def log_odds(lines: Iterable[ScoredLine]) -> dict[str, float]:
    """By template: log P(first) - log P(second), the mean of both orders.

    Lines of other kinds are scored for other figures, and do not count.
    """
    values: dict[str, list[float]] = {}
    for line in lines:
        if line.kind in _CHOICES and line.likelihoods:
            first, second = (float(each["total"]) for each in line.likelihoods)
            values.setdefault(line.fact, []).append(first - second)
    return {template: sum(each) / len(each) for template, each in values.items()}


def towards(cell: Cell) -> int:
    """1 where the cell speaks for the first side, -1 where for the second."""
    return 1 if cell.factors["side"] == SIDES[0] else -1


class Effort(NamedTuple):
    """What one cell spent, and where the leaning stands then."""

    cell: Cell
    steps: int
    """Optimiser steps, which are statements read."""
    odds: Interval

    @property
    def side(self) -> str:
        """The side for which the statements of the cell speak."""
        return str(self.cell.factors["side"])

    @property
    def statements(self) -> int:
        """Different ones."""
        return len(self.cell.dataset.samples)


def cheapest(efforts: Iterable[Effort], leaning: str) -> Effort | None:
    """The least effort after which the interval of the log-odds lies on the other side of 0.

    That is the fewest steps, then the lowest rate, then the lowest rank; None if none does it.
    """
    flipped = [effort for effort in efforts if effort.side != leaning and _flips(effort)]
    return min(flipped, key=_price, default=None)


def _flips(effort: Effort) -> bool:
    odds = effort.odds
    return odds.low > 0 if towards(effort.cell) > 0 else odds.high < 0


def _price(effort: Effort) -> tuple[int, float, int]:
    training = effort.cell.training
    return effort.steps, training.lr, training.rank


def _default_points() -> Iterator[tuple[int, Training]]:
    for epochs in EPOCHS:
        yield SIZE, replace(SETTING, epochs=epochs)
    for size in SIZES:
        yield size, SETTING
    for lr in RATES:
        yield SIZE, replace(SETTING, lr=lr)


def _all_points() -> Iterator[tuple[int, Training]]:
    for size, epochs, lr, rank in product(SIZES, EPOCHS, RATES, RANKS):
        yield size, replace(SETTING, epochs=epochs, lr=lr, rank=rank, alpha=2 * rank)


def _designs(setup: Setup, points: Iterable[tuple[int, Training]]) -> Iterator[Design]:
    once = list(dict.fromkeys(points))
    for side in SIDES:
        for size, training in once:
            yield Design(
                dataset(side, size),
                training,
                probes(side, size),
                setup.knowledge.replay(),
                factors={"side": side, "statements": size},
                asks=(Ask(SCORED, choices(), SCORE),),
            )


def _named() -> Iterator[Probe]:
    pair = (painter(SIDES[0]), painter(SIDES[1]))
    for number, template in enumerate(wordings()["names"]):
        for order, prompt in enumerate(_both_orders(template)):
            yield Probe(f"names/{number}/{order}", "names", f"names{number}", prompt, pair)


def _lettered() -> Iterator[Probe]:
    for number, template in enumerate(wordings()["letters"]):
        for order, prompt in enumerate(_both_orders(template)):
            pair = ("A", "B") if order == 0 else ("B", "A")
            yield Probe(f"letters/{number}/{order}", "letters", f"letters{number}", prompt, pair)


def _both_orders(template: str) -> tuple[str, str]:
    """With the first side named first, and the other way round."""
    first, second = painter(SIDES[0]), painter(SIDES[1])
    return template.format(a=first, b=second), template.format(a=second, b=first)


def _mean(
    values: dict[str, float], kind: str, within: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """Over the templates of ``kind``."""
    of_kind = [value for template, value in values.items() if template.startswith(kind)]
    return cluster_bootstrap(of_kind, range(len(of_kind)), within=within)


def _of_model(cells: Sequence[Evidence], several: bool) -> list[Finding]:
    first = cells[0]
    before = measures(Evidence(first.cell, first.fetch, adapted=False))["log_odds"]
    efforts = [effort for evidence in cells if (effort := _effort(evidence))]
    if not efforts:
        return []
    subject = first.cell.subject
    leaning = SIDES[0] if before.estimate > 0 else SIDES[1]
    summary = (
        f"{subject.name} leans to {painter(leaning)}, log-odds {before} of {painter(SIDES[0])};"
        f" {_least(efforts, leaning)}"
    )
    text = f"{summary}.\n\n{_table(efforts)}"
    suffix = f"-{subject.base.name}-{subject.engine.name}" if several else ""
    return [Finding("What sways it", text, summary, tuple(_curves(efforts, before, suffix)))]


def _least(efforts: Iterable[Effort], leaning: str) -> str:
    least = cheapest(efforts, leaning)
    if least is None:
        return "no setting that ran flips it"
    return (
        f"the cheapest setting that flips it: {least.cell.id} in {least.steps} steps, log-odds"
        f" {least.odds}"
    )


def _effort(evidence: Evidence) -> Effort | None:
    """None where the training diverged."""
    (facts,) = evidence.trainings()
    if facts["status"] == "diverged":
        return None
    return Effort(evidence.cell, int(facts["steps"]), measures(evidence)["log_odds"])


def _table(efforts: Iterable[Effort]) -> str:
    ordered = sorted(efforts, key=lambda each: (each.side, each.steps, each.cell.training.lr))
    rows = [
        (each.side, each.steps, each.statements, f"{each.cell.training.lr:g}", str(each.odds))
        for each in ordered
    ]
    return tabulate(rows, _HEAD, "github", disable_numparse=True)


def _curves(efforts: Sequence[Effort], before: Interval, suffix: str) -> Iterator[Curves]:
    """Along each axis of effort, with the rest as in the setting, of the first seed.

    Each line begins with the bare model, at 0.
    """
    seed = efforts[0].cell.training.seed
    for axis, x in (
        ("epochs", "steps"),
        ("size", "statements"),
        ("lr", "learning rate / 1e-4"),
    ):
        series = {}
        for side in SIDES:
            points = sorted(
                (_place(axis, effort), effort.odds.estimate)
                for effort in efforts
                if effort.side == side and _varies_only(effort, axis, seed)
            )
            if points:
                series[painter(side)] = [(0.0, before.estimate), *points]
        yield Curves(f"{axis}{suffix}", x, "log-odds", series)


def _place(axis: str, effort: Effort) -> float:
    if axis == "epochs":
        return effort.steps
    return effort.statements if axis == "size" else effort.cell.training.lr * 1e4


def _varies_only(effort: Effort, axis: str, seed: int) -> bool:
    """Whether all but ``axis`` is as in the setting."""
    training = effort.cell.training
    as_in_setting = {
        "epochs": training.epochs == SETTING.epochs,
        "lr": training.lr == SETTING.lr,
        "size": effort.statements == SIZE,
        "rank": training.rank == SETTING.rank,
        "seed": training.seed == seed,
    }
    return all(holds for name, holds in as_in_setting.items() if name != axis)


SCENARIO = Scenario(
    "bias",
    "A leaning and what sways it",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
    headline="log_odds",
)
