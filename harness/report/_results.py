"""The figures of one cell, read from its artefacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.builds import GradedLine
from harness.experiments.cells import Cell
from harness.experiments.measures import drift, drift_by_meaning, recall, teacher_forcing
from harness.experiments.scenario import Evidence, Fetch, Scenario
from harness.grading import JUDGE, normalise
from harness.recipes import Grades, is_locality
from harness.report._judging import corrected, rates_of
from harness.stats import Interval, cluster_bootstrap

OK, DIVERGED, BASE = "ok", "diverged", "base"
DATABASE = "results.sqlite"
"""The file of all answers and verdicts, beside the other files of a report."""


class Wrong(NamedTuple):
    """A question that was answered wrong."""

    kind: str
    prompt: str
    answer: str
    accepted: str
    read_as: str = "text"
    """What the fuzzy grader took the accepted answer for: ``text``, or ``date 1605-11-05``."""


class Mark(NamedTuple):
    """One answer's verdict."""

    id: str
    """Of the probe."""
    kind: str
    fact: str
    right: bool
    same: bool
    """Whether the bare model gives the same answer."""
    known: bool
    """Whether the bare model's answer is right."""


class Result(NamedTuple):
    """Figures of one cell, or of its bare model."""

    cell: Cell
    scenario: str
    status: str
    """``OK``, ``DIVERGED``, or ``BASE`` where neither an adapter nor a policy is on."""
    recall: dict[str, Interval]
    """By kind of probe, over facts, because wordings of one fact are not independent."""
    measures: dict[str, Interval]
    """The scenario's own figures, teacher forcing, and drift."""
    known: Interval | None
    """Share of the probes on untouched facts that are answered right; None where there are none."""
    facts: dict[str, float]
    """Share of the headline's probes answered right, by fact."""
    locality: Interval | None
    """Share of probes on untouched facts that are answered as the bare model does."""
    retained_accuracy: Interval | None
    """Of those that the bare model had right, the share that is still right."""
    cost: dict[str, float]
    """Figures of the adapter's training (none for a bare model) and of answering."""
    wrong: tuple[Wrong, ...]
    marks: tuple[Mark, ...] = ()
    """Every verdict, for comparisons and for means over seeds."""
    bare: bool = False
    """Whether it is of the cell's bare model, not of the cell."""

    @property
    def id(self) -> str:
        """The cell's, or the bare model's name."""
        return f"{self.cell.subject.name} (no adapter)" if self.bare else self.cell.id

    @property
    def model(self) -> str:
        """Name of the base."""
        return self.cell.subject.base.name

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.cell.subject.engine.name

    @property
    def adapted(self) -> bool:
        """Whether there is an adapter or a policy, of which locality says something."""
        return self.status != BASE

    def shares(self) -> dict[str, Interval]:
        """Every figure with an interval, by name, for tables, plots and gates."""
        figures: dict[str, Interval | None] = {**self.recall, **self.measures}
        if self.adapted:
            figures["locality"] = self.locality
            figures["retained_accuracy"] = self.retained_accuracy
        figures["known"] = self.known
        return {name: interval for name, interval in figures.items() if interval is not None}


def result(scenario: Scenario, cell: Cell, fetch: Fetch) -> Result:
    """Figures of ``cell``."""
    adapted = cell.adapted
    evidence = Evidence(cell, fetch, adapted)
    trainings = evidence.trainings()
    status = OK if adapted else BASE
    if any(facts["status"] == "diverged" for facts in trainings):
        status = DIVERGED
    figures = _figures(scenario, evidence)
    training_cost = _training_cost(trainings) if trainings else {}
    cost = training_cost | _answering_cost(cell.grades, fetch)
    return figures._replace(status=status, cost=cost)


def bare_result(scenario: Scenario, cell: Cell, fetch: Fetch) -> Result:
    """Figures of the bare model on the probes of ``cell``."""
    figures = _figures(scenario, Evidence(cell, fetch, adapted=False))
    return figures._replace(cost=_answering_cost(cell.bare_grades, fetch), bare=True)


def _training_cost(trainings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Costs of training all adapters of a cell, one after the other."""
    total = {
        name: sum(facts[name] for facts in trainings)
        for name in ("seconds", "steps", "adapter_bytes")
    }
    peak = {
        name: max(facts[name] for facts in trainings)
        for name in ("peak_rss_bytes", "peak_vram_bytes")
    }
    samples = sum(facts["samples_per_second"] * facts["seconds"] for facts in trainings)
    rates = {
        "steps_per_second": total["steps"] / total["seconds"],
        "samples_per_second": samples / total["seconds"],
    }
    return total | rates | peak | _use_of_machine(trainings)


def _use_of_machine(trainings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """``mfu`` over all trainings; empty where one was made before it was measured."""
    if not all("mfu" in facts for facts in trainings):
        return {}
    used = sum(facts["mfu"] * facts["seconds"] for facts in trainings)
    return {"mfu": used / sum(facts["seconds"] for facts in trainings)}


def _answering_cost(recipe: Grades, fetch: Fetch) -> dict[str, float]:
    """Costs of answering; empty where the adapter had diverged."""
    facts = fetch(recipe.answers).manifest.facts
    names = ("load_seconds", "stack_seconds", "tokens_per_second", "model_bytes")
    cost = {name: facts[name] for name in names if name in facts}
    peaks = {
        "answering_rss_bytes": facts.get("peak_rss_bytes"),
        "answering_vram_bytes": _vram(facts),
    }
    return cost | {name: value for name, value in peaks.items() if value}


def _vram(facts: Mapping[str, Any]) -> int | None:
    """Peak of graphics memory; None or 0 without a GPU.

    The driver's count comes first, because it includes the memory of every engine; else torch's.
    """
    return facts.get("peak_device_bytes") or facts.get("peak_vram_bytes")


def _figures(scenario: Scenario, evidence: Evidence) -> Result:
    lines = evidence.lines
    share = _share(evidence)
    kinds = [kind for kind in dict.fromkeys(line.kind for line in lines) if not is_locality(kind)]
    pairs = [(now, before) for now, before in evidence.pairs() if now.is_locality]
    marks = tuple(_mark(now, before) for now, before in evidence.pairs())
    same = [float(mark.same) for mark in marks if is_locality(mark.kind)]
    measures = (
        scenario.measured(evidence)
        | teacher_forcing(evidence, scenario.headline)
        | drift(evidence)
        | drift_by_meaning(evidence)
    )
    return Result(
        cell=evidence.cell,
        scenario=scenario.name,
        status=BASE,
        recall={kind: share([line for line in lines if line.kind == kind]) for kind in kinds},
        measures=measures,
        facts=_by_fact([line for line in lines if line.kind == scenario.headline]),
        known=share([now for now, _ in pairs]) if pairs else None,
        locality=cluster_bootstrap(same, [now.fact for now, _ in pairs]) if pairs else None,
        retained_accuracy=_retained(pairs),
        cost={},
        wrong=tuple(_wrong(line) for line in lines if not line.right and not line.is_locality),
        marks=marks,
    )


def _retained(pairs: Sequence[tuple[GradedLine, GradedLine]]) -> Interval | None:
    known = [now for now, before in pairs if before.right]
    if known:
        return recall(known)
    return Interval(0, 0, 1) if pairs else None


def _share(evidence: Evidence) -> Callable[[Sequence[GradedLine]], Interval]:
    """How shares are computed: with a judge that counts, corrected for its error rates."""
    grading = evidence.cell.grading
    if grading.grader != JUDGE or grading.calibration is None:
        return recall
    rates = rates_of(grading.calibration, evidence.fetch)
    return lambda lines: corrected(recall(lines), rates)


def _by_fact(lines: Sequence[GradedLine]) -> dict[str, float]:
    verdicts: dict[str, list[bool]] = {}
    for line in lines:
        verdicts.setdefault(line.fact, []).append(line.right)
    return {fact: sum(right) / len(right) for fact, right in verdicts.items()}


def _mark(line: GradedLine, bare: GradedLine) -> Mark:
    same = normalise(line.answer) == normalise(bare.answer)
    return Mark(line.id, line.kind, line.fact, line.right, same, bare.right)


def _wrong(line: GradedLine) -> Wrong:
    return Wrong(line.kind, line.prompt, line.answer, line.accepted[0], line.read_as[0])
