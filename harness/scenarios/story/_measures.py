"""What the adapter adds to the end of the story, between what the base guesses and what
it reads."""

from __future__ import annotations

from collections.abc import Sequence

from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.experiments.shares import share
from harness.stats import Interval, paired_bootstrap


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``base_after_tail`` (guessing), ``base_after_whole`` (the reading ceiling),
    ``gained_after_tail`` (paired)."""
    if not adapted:
        return {}
    own, base = (_after(found, "after_tail") for found in (lines, bare))
    return {
        **share("base_after_tail", base, lambda line: bool(line["right"])),
        **share("base_after_whole", _after(bare, "after_whole"), lambda line: bool(line["right"])),
        "gained_after_tail": (
            paired_bootstrap(
                [float(line["right"]) for line in base],
                [float(line["right"]) for line in own],
                [line["fact"] for line in own],
            ).difference
        ),
    }


def _after(lines: Sequence[Line], kind: str) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]
