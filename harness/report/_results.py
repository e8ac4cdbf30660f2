"""One cell's figures, read from its artefacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.builds import GRADES, read_lines
from harness.experiments.cells import Cell
from harness.experiments.drift import drift_measures, forced_measures
from harness.experiments.scenario import Fetch, Line, Scenario
from harness.grading import JUDGE, normalise
from harness.recipes import Grades, is_locality
from harness.report._judging import corrected, rates_of
from harness.stats import Interval, cluster_bootstrap


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
    """Whether it is what the bare model answers."""
    known: bool
    """Whether the bare model's answer is right."""


class Result(NamedTuple):
    """Figures of one cell, or of a bare model."""

    scenario: str
    id: str
    model: str
    engine: str
    status: str
    """``ok``, ``diverged``, or ``base``."""
    recall: dict[str, Interval]
    """By kind of probe, over facts: wordings of one fact stand or fall together."""
    measures: dict[str, Interval]
    """What the scenario measures beside recall and locality; ``teacher_forced``, its ``gap`` to
    recall, and drift."""
    known: Interval | None
    """Share of the probes on untouched facts that are answered right; None where there are none."""
    facts: dict[str, float]
    """Share of the headline's probes answered right, by fact."""
    locality: Interval | None
    """Share of probes on untouched facts that are answered as the bare model does."""
    retained_accuracy: Interval | None
    """Of those that the bare model had right, the share that still is."""
    cost: dict[str, float]
    """Figures of the adapter's training (none for a bare model) and of answering."""
    wrong: tuple[Wrong, ...]
    marks: tuple[Mark, ...] = ()
    """Every verdict, for comparisons and for means over seeds."""

    @property
    def adapted(self) -> bool:
        """Whether there is an adapter, whose locality and training cost say something."""
        return self.status != "base"

    def shares(self) -> dict[str, Interval]:
        """Every figure with an interval, by name, for tables, plots and gates."""
        local = (
            {"locality": self.locality, "retained_accuracy": self.retained_accuracy}
            if self.adapted
            else {}
        )
        found = {**self.recall, **self.measures, **local, "known": self.known}
        return {name: interval for name, interval in found.items() if interval is not None}


def result(scenario: Scenario, cell: Cell, fetch: Fetch) -> Result:
    """Figures of ``cell``."""
    lines, bare = _lines(cell.grades, fetch), _lines(cell.base_grades, fetch)
    trained = [fetch(adapter).manifest.facts for adapter in cell.trained]
    diverged = any(facts["status"] == "diverged" for facts in trained)
    found = _figures(scenario, cell, lines, bare, fetch, adapted=cell.adapted)
    cost = (_training(trained) if trained else {}) | _answering(cell.grades, fetch)
    status = "diverged" if diverged else "ok" if cell.adapted else "base"
    return found._replace(id=cell.id, status=status, cost=cost)


def bare_result(scenario: Scenario, cell: Cell, fetch: Fetch) -> Result:
    """Figures of the bare model on the probes of ``cell``."""
    bare = _lines(cell.base_grades, fetch)
    found = _figures(scenario, cell, bare, bare, fetch, adapted=False)
    return found._replace(cost=_answering(cell.base_grades, fetch))


def _training(trained: Sequence[Line]) -> dict[str, float]:
    """What it cost to train all adapters of a cell, one after the other."""
    total = {
        name: sum(facts[name] for facts in trained)
        for name in ("seconds", "steps", "adapter_bytes")
    }
    most = {
        name: max(facts[name] for facts in trained)
        for name in ("peak_rss_bytes", "peak_vram_bytes")
    }
    samples = sum(facts["samples_per_second"] * facts["seconds"] for facts in trained)
    rates = {
        "steps_per_second": total["steps"] / total["seconds"],
        "samples_per_second": samples / total["seconds"],
    }
    return total | rates | most


def _answering(recipe: Grades, fetch: Fetch) -> dict[str, float]:
    """What it cost to answer; nothing where the adapter had diverged."""
    facts = fetch(recipe.answers).manifest.facts
    kept = ("load_seconds", "stack_seconds", "tokens_per_second", "model_bytes")
    found = {name: facts[name] for name in kept if name in facts}
    peaks = {
        "answering_rss_bytes": facts.get("peak_rss_bytes"),
        "answering_vram_bytes": _vram(facts),
    }
    return found | {name: value for name, value in peaks.items() if value}


def _vram(facts: Line) -> int | None:
    """The driver's count, as it knows every engine's memory; else torch's; None or 0
    without a GPU."""
    return facts.get("peak_device_bytes") or facts.get("peak_vram_bytes")


def _figures(
    scenario: Scenario, cell: Cell, lines: list[Line], bare: list[Line], fetch: Fetch, adapted: bool
) -> Result:
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    told = _teller(cell, fetch)
    pairs = [(a, b) for a, b in zip(lines, bare, strict=True) if is_locality(a["kind"])]
    marks = tuple(_mark(a, b) for a, b in zip(lines, bare, strict=True))
    same = [float(mark.same) for mark in marks if is_locality(mark.kind)]
    return Result(
        scenario=scenario.name,
        id=f"{cell.model_name} (no adapter)",
        model=cell.base.name,
        engine=cell.engine.name,
        status="base",
        recall={
            kind: told([ln for ln in lines if ln["kind"] == kind])
            for kind in kinds
            if not is_locality(kind)
        },
        measures=scenario.measures(cell, lines, bare, fetch, adapted)
        | forced_measures(cell, lines, scenario.headline, fetch, adapted)
        | drift_measures(cell, fetch, adapted),
        facts=_by_fact([line for line in lines if line["kind"] == scenario.headline]),
        known=told([a for a, _ in pairs]) if pairs else None,
        locality=cluster_bootstrap(same, [a["fact"] for a, _ in pairs]) if pairs else None,
        retained_accuracy=_retained_accuracy(pairs),
        cost={},
        wrong=tuple(
            _wrong(line) for line in lines if not line["right"] and not is_locality(line["kind"])
        ),
        marks=marks,
    )


def _retained_accuracy(pairs: Sequence[tuple[Line, Line]]) -> Interval | None:
    known = [a for a, b in pairs if b["right"]]
    if known:
        return _share(known)
    return Interval(0, 0, 1) if pairs else None


def _lines(recipe: Grades, fetch: Fetch) -> list[Line]:
    return [*read_lines(fetch(recipe).path / GRADES)]


def _share(lines: Sequence[Line]) -> Interval:
    return cluster_bootstrap(
        [float(line["right"]) for line in lines], [line["fact"] for line in lines]
    )


def _teller(cell: Cell, fetch: Fetch) -> Callable[[Sequence[Line]], Interval]:
    """How shares are told: a judge's corrected for its error rates, those of the fuzzy grader as
    they are."""
    if cell.grader != JUDGE or cell.calibration is None:
        return _share
    rates = rates_of(cell.calibration, fetch)
    return lambda lines: corrected(_share(lines), rates)


def _by_fact(lines: Sequence[Line]) -> dict[str, float]:
    facts = dict.fromkeys(line["fact"] for line in lines)
    own = {fact: [line["right"] for line in lines if line["fact"] == fact] for fact in facts}
    return {fact: sum(right) / len(right) for fact, right in own.items()}


def _mark(line: Line, bare: Line) -> Mark:
    same = normalise(line["answers"][0]) == normalise(bare["answers"][0])
    return Mark(line["id"], line["kind"], line["fact"], line["right"], same, bare["right"])


def _wrong(line: Line) -> Wrong:
    read_as = line["read_as"][0]
    return Wrong(line["kind"], line["prompt"], line["answers"][0], line["accepted"][0], read_as)
