"""What one setting reaches, in the three figures that settings are weighed by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import mean

from harness.builders import GRADES, read_lines
from harness.cells import Cell
from harness.grading import normalise
from harness.recipes import Training, local
from harness.scenarios._scenario import Fetch
from harness.tuning import Trial


def trial(cell: Cell, fetch: Fetch) -> Trial:
    """Recall of rephrased questions, locality, and seconds of training of ``cell``; built where they are not cached."""
    lines, bare = (read_lines(fetch(grades).path / GRADES) for grades in (cell.grades, cell.base_grades))
    right = [float(line["right"]) for line in lines if line["kind"] == "rephrased"]
    pairs = [(a, b) for a, b in zip(lines, bare, strict=True) if local(a["kind"])]
    same = [normalise(a["answers"][0]) == normalise(b["answers"][0]) for a, b in pairs]
    seconds = sum(fetch(adapter).manifest.facts["seconds"] for adapter in cell.trained)
    return Trial(cell.training, mean(right), mean(same), seconds)


def over_seeds(found: Iterable[Trial]) -> list[Trial]:
    """One trial a setting: the means over its seeds."""
    by: dict[Training, list[Trial]] = {}
    for each in found:
        by.setdefault(replace(each.training, seed=0), []).append(each)
    return [
        Trial(training, *(mean(getattr(t, name) for t in own) for name in ("recall", "locality", "seconds")))
        for training, own in by.items()
    ]
