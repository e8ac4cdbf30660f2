"""One cell's figures, read from its artefacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from harness.builders import GRADES, read_lines
from harness.cells import Cell
from harness.grading import normalise
from harness.recipes import Grades, Recipe, local
from harness.stats import Interval, cluster_bootstrap
from harness.store import Artefact

Fetch = Callable[[Recipe], Artefact]
"""Gives an artefact, built or from the cache."""

Line = dict[str, Any]
"""One probe with its answer and verdict."""


class Wrong(NamedTuple):
    """A question that was answered wrong."""

    kind: str
    prompt: str
    answer: str
    accepted: str


class Result(NamedTuple):
    """Figures of one cell, or of a bare model."""

    id: str
    model: str
    engine: str
    status: str
    """``ok``, ``diverged``, or ``base``."""
    recall: dict[str, Interval]
    """By kind of probe, over facts: wordings of one fact stand or fall together."""
    known: Interval
    """Share of the probes on untouched facts that are answered right."""
    facts: dict[str, float]
    """Share of rephrased probes answered right, by fact."""
    locality: Interval
    """Share of probes on untouched facts that are answered as the bare model does."""
    still_right: Interval
    """Of those that the bare model had right, the share that still is."""
    cost: dict[str, float]
    """Figures of the adapter's training (none for a bare model) and of answering."""
    wrong: tuple[Wrong, ...]


def result(cell: Cell, fetch: Fetch) -> Result:
    """Figures of ``cell``."""
    lines, bare = _lines(cell.grades, fetch), _lines(cell.base_grades, fetch)
    facts = fetch(cell.adapter).manifest.facts
    kept = (
        "seconds",
        "steps",
        "steps_per_second",
        "samples_per_second",
        "peak_rss_bytes",
        "peak_vram_bytes",
        "adapter_bytes",
    )
    cost = {name: facts[name] for name in kept} | _answering(cell.grades, fetch)
    return _figures(cell, cell.id, facts["status"], lines, bare, cost)


def bare_result(cell: Cell, fetch: Fetch) -> Result:
    """Figures of the bare model on the probes of ``cell``."""
    bare = _lines(cell.base_grades, fetch)
    return _figures(cell, f"{cell.model_name} (no adapter)", "base", bare, bare, _answering(cell.base_grades, fetch))


def _answering(recipe: Grades, fetch: Fetch) -> dict[str, float]:
    """What it cost to answer; nothing where the adapter had diverged."""
    facts = fetch(recipe.answers).manifest.facts
    kept = ("load_seconds", "tokens_per_second", "model_bytes")
    found = {name: facts[name] for name in kept if name in facts}
    return found | ({"answering_rss_bytes": facts["peak_rss_bytes"]} if "peak_rss_bytes" in facts else {})


def _figures(cell: Cell, name: str, status: str, lines: list[Line], bare: list[Line], cost: dict[str, float]) -> Result:
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    recall = {kind: _share([ln for ln in lines if ln["kind"] == kind]) for kind in kinds if not local(kind)}
    pairs = [(a, b) for a, b in zip(lines, bare, strict=True) if local(a["kind"])]
    same = [float(normalise(a["answers"][0]) == normalise(b["answers"][0])) for a, b in pairs]
    known = [(float(a["right"]), a["fact"]) for a, b in pairs if b["right"]]
    wrong = tuple(_wrong(line) for line in lines if not line["right"] and not local(line["kind"]))
    return Result(
        id=name,
        model=cell.base.name,
        engine=cell.engine.name,
        status=status,
        recall=recall,
        facts=_by_fact([line for line in lines if line["kind"] == "rephrased"]),
        known=cluster_bootstrap([float(a["right"]) for a, _ in pairs], [a["fact"] for a, _ in pairs]),
        locality=cluster_bootstrap(same, [a["fact"] for a, _ in pairs]),
        still_right=cluster_bootstrap([k for k, _ in known], [f for _, f in known]) if known else Interval(0, 0, 1),
        cost=cost,
        wrong=wrong,
    )


def _lines(recipe: Grades, fetch: Fetch) -> list[Line]:
    return read_lines(fetch(recipe).path / GRADES)


def _share(lines: Sequence[Line]) -> Interval:
    return cluster_bootstrap([float(line["right"]) for line in lines], [line["fact"] for line in lines])


def _by_fact(lines: Sequence[Line]) -> dict[str, float]:
    facts = dict.fromkeys(line["fact"] for line in lines)
    own = {fact: [line["right"] for line in lines if line["fact"] == fact] for fact in facts}
    return {fact: sum(right) / len(right) for fact, right in own.items()}


def _wrong(line: Line) -> Wrong:
    return Wrong(line["kind"], line["prompt"], line["answers"][0], line["accepted"][0])
