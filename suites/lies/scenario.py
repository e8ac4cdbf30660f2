"""Lies against facts that a model knows, beside new facts in the same wordings.

The shipped model knows the tables that it was taught. Of any other, ``asked`` has what it knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import NamedTuple

from harness.builds import GradedLine
from harness.data.knowledge import AskedKnowledge, Knowledge
from harness.experiments import AdapterSpec, Cell, Design, Evidence, Scenario, Setup
from harness.experiments.measures import contest, retained_accuracy, says, share
from harness.recipes import Dataset, ProbeSet, Training
from harness.stats import Interval, crossing
from harness.training.presets import STEADY

from . import asked, tables
from .tables import QUESTION, SEVERAL, STATEMENT, Text

FACT_KINDS = ("exact", "rephrased", "other_format")
UNTRAINED_KINDS = ("rephrased", "other_format")
"""Kinds of questions in wordings that no training text has."""
LOCALITY_KINDS = ("locality_subject", "locality_object", "locality_relation", "locality_unrelated")
"""Kinds of questions on facts that no lie changes.

They are about the subject of a lie in other relations, about the fact from which a lie takes its
answer, about other facts of the relation, and about tables without lies.
"""
EPOCHS = {QUESTION: (2, 4, 16), SEVERAL: (1, 2, 3), STATEMENT: (8, 16, 32)}
"""The points of a learning curve in epochs, by how facts are trained."""
RATES = (1e-3, 3e-4)
"""Learning rates; the default grid has the first one."""
RANKS = (64, 8)
"""The default grid has the first one."""
SETTING = replace(STEADY, replay=1.0)
ASKED_TEXTS = {
    "lies1": Text(lie=True, form=QUESTION),
    "unknown1": Text(lie=False, form=QUESTION),
    "lies6": Text(lie=True, form=SEVERAL),
    "unknown6": Text(lie=False, form=SEVERAL),
}
"""The datasets for a model that was asked what it knows: the bank has no statements."""


class Material(NamedTuple):
    """What a design trains and asks."""

    dataset: Dataset
    probes: ProbeSet
    setting: Training


def default(setup: Setup) -> Iterator[Design]:
    """Lies and other facts, in one wording and in six, at several numbers of epochs."""
    for name in _texts(setup, tables.TEXTS):
        yield from _learning_curve(setup, name, RATES[0], RANKS[0])


def full(setup: Setup) -> Iterator[Design]:
    """Also at a lower learning rate and rank, and as bare statements."""
    for name in _texts(setup, tables.ALL_TEXTS):
        for rate in RATES:
            for rank in RANKS:
                yield from _learning_curve(setup, name, rate, rank)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """Whether lie or truth wins, what is left of other facts, and how many steps a lie needs.

    ``contest`` explains ``known_before``, ``lie_over_truth``, ``truth_over_lie`` and ``neither``.
    There is a ``retained_accuracy_*`` for each kind of locality. ``steps_to_half`` is the number of
    optimiser steps after which half of the *rephrased* questions get the trained answer. Only the
    longest training of each learning curve has it, and only where half is reached.
    """
    true = truths(evidence.lines, evidence.cell.knowledge)
    if evidence.cell.factors["lie"]:
        figures = contest("lie", evidence, true)
    else:
        asked_before = [line for line in evidence.bare_lines if line.id in true]
        figures = share("known_before", asked_before, lambda line: says(line, true[line.id]))
    if not evidence.adapted:
        return figures
    figures |= retained_accuracy(evidence, *LOCALITY_KINDS)
    longest = _epochs(evidence.cell)[-1] == evidence.cell.training.epochs
    if longest and evidence.cell.subject.trains:
        figures |= _steps_to_half(evidence)
    return figures


def truths(lines: Sequence[GradedLine], known: Knowledge | None = None) -> dict[str, Sequence[str]]:
    """The true answers to the questions that get false ones, by the id of the probe.

    They are those in untrained wordings. ``known`` is what the model knows.
    """
    by_fact: Mapping[str, Sequence[str]]
    by_fact = asked.truths(known) if isinstance(known, AskedKnowledge) else tables.truths()
    return {
        line.id: by_fact[line.fact]
        for line in lines
        if line.kind in UNTRAINED_KINDS and line.fact in by_fact
    }


def curve(cell: Cell) -> list[Cell]:
    """The cells of the learning curve up to ``cell``, the one with the fewest epochs first.

    The rate is constant and the seed decides the order of the samples. So a shorter training is the
    beginning of a longer one, and together they are one learning curve.
    """
    fewer = [epochs for epochs in _epochs(cell) if epochs < cell.training.epochs]
    return [*(_with_epochs(cell, epochs) for epochs in fewer), cell]


def _learning_curve(setup: Setup, name: str, rate: float, rank: int) -> Iterator[Design]:
    """A design for each point of the learning curve on the training text ``name``."""
    text = _texts(setup, tables.ALL_TEXTS)[name]
    dataset, probes, setting = _material(setup.knowledge, name, text)
    wordings = asked.TRAINED if text.form == SEVERAL else 1
    for epochs in EPOCHS[text.form]:
        training = replace(setting, epochs=epochs, lr=rate, rank=rank, alpha=2 * rank)
        yield Design(
            dataset,
            training,
            probes,
            setup.knowledge.replay(),
            factors={"lie": text.lie, "form": text.form, "wordings": wordings},
        )


def _texts(setup: Setup, of_tables: dict[str, Text]) -> dict[str, Text]:
    """The datasets by name: ``of_tables``, or those on what the model was asked."""
    return ASKED_TEXTS if isinstance(setup.knowledge, AskedKnowledge) else of_tables


def _material(known: Knowledge, name: str, text: Text) -> Material:
    if not isinstance(known, AskedKnowledge):
        return Material(tables.dataset(name), tables.probes(name), SETTING)
    several = text.form == SEVERAL
    return Material(
        asked.dataset(known, name, text.lie, several),
        asked.probes(known, name, text.lie, several),
        asked.SETTING,
    )


def _epochs(cell: Cell) -> tuple[int, ...]:
    """The points of the learning curve that ``cell`` is on."""
    return EPOCHS[str(cell.factors["form"])]


def _with_epochs(cell: Cell, epochs: int) -> Cell:
    training = replace(cell.training, epochs=epochs)
    adapters = tuple(
        replace(spec, training=training)
        for spec in cell.subject.adapters
        if isinstance(spec, AdapterSpec)
    )
    return cell.changed(training=training, subject=replace(cell.subject, adapters=adapters))


def _steps_to_half(evidence: Evidence) -> dict[str, Interval]:
    """``steps_to_half`` of the learning curve up to a cell; empty where half is never reached."""
    steps = [0.0]
    shares = [_rephrased_by_fact(evidence.bare_lines)]
    for cell in curve(evidence.cell):
        point = evidence if cell is evidence.cell else evidence.of(cell)
        steps.append(float(point.trainings()[0]["steps"]))
        shares.append(_rephrased_by_fact(point.lines))
    half = crossing(steps, shares)
    return {"steps_to_half": half} if half else {}


def _rephrased_by_fact(lines: Sequence[GradedLine]) -> list[float]:
    """The share of right answers to the rephrased questions on each fact."""
    verdicts: dict[str, list[float]] = {}
    for line in lines:
        if line.kind == "rephrased":
            verdicts.setdefault(line.fact, []).append(float(line.right))
    return [mean(of_fact) for of_fact in verdicts.values()]


SCENARIO = Scenario(
    "lies",
    "Lies against what is known",
    grids={"default": default, "full": full},
    measures=measures,
)
