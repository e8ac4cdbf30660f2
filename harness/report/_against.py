"""A part of a report beside a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.baselines import Baseline, Limits, compare
from harness.report._parts import Entry, Part


def against(part: Part, baseline: Baseline, limits: Limits, counts: Mapping[str, int] | None = None) -> Part:
    """``part`` with each cell that ``baseline`` holds compared with it.

    ``counts`` names the cells to compare, and says as one of how many comparisons each counts; without it all that
    the baseline holds are compared.
    """
    held = [e for e in part.entries if not e.bare and e.cell.unnamed in baseline.cells]
    asked = counts if counts is not None else {entry.cell.id: len(held) for entry in held}

    def beside(entry: Entry) -> Entry:
        if entry not in held or entry.cell.id not in asked:
            return entry
        kept, own = baseline.cells[entry.cell.unnamed], entry.result
        found = compare(
            kept,
            entry.lines(),
            own.cost,
            cell=entry.cell.id,
            baseline=baseline.name,
            status=own.status,
            cells=asked[entry.cell.id],
            limits=limits,
        )
        return replace(entry, before=kept, comparison=found)

    return part._replace(entries=[beside(entry) for entry in part.entries], baseline=baseline.name)
