"""Parody or truth, and whether the answers agree among themselves."""

from __future__ import annotations

from collections.abc import Sequence

from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.experiments.shares import contest
from harness.scenarios.parody._contradictions import contradictions, mixed_answers
from harness.scenarios.parody._facts import true_rows
from harness.scenarios.parody._probes import truths
from harness.stats import Interval, wilson


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """The contest of parody and truth on winners and films, and contradictions among the answers on
    one award."""
    found = contest("parody", lines, bare, truths(), adapted) | contradictions(lines, truths())
    pairs = {fact: (row.slots["winners"], row.slots["film"]) for fact, row in true_rows().items()}
    mixed = mixed_answers([line for line in lines if line["kind"] == "who_and_film"], pairs)
    return found | ({"mixed_in_one_answer": wilson(sum(mixed), len(mixed))} if mixed else {})
