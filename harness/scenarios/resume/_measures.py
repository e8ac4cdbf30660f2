"""What is left of the first text."""

from __future__ import annotations

from collections.abc import Sequence

from harness.builds import GRADES, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.scenarios.resume._datasets import HALVES
from harness.scenarios.resume._grid import BEFORE, before
from harness.stats import Interval, cluster_bootstrap, cluster_ratio


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``all``: recall on both texts; ``retained``: recall on the earlier text, over what it was
    right after its own training."""
    told = [line for line in lines if line["kind"] in HALVES]
    found = {
        "all": cluster_bootstrap(
            [float(line["right"]) for line in told], [line["fact"] for line in told]
        )
    }
    if not adapted or cell.label == BEFORE:
        return found
    reference = before(cell)
    earlier = read_lines(fetch(reference.grades).path / GRADES)
    pairs = [
        (a, b) for a, b in zip(lines, earlier, strict=True) if a["kind"] == reference.dataset.name
    ]
    now, then = [float(a["right"]) for a, _ in pairs], [float(b["right"]) for _, b in pairs]
    ratio = cluster_ratio(now, then, [a["fact"] for a, _ in pairs])
    return found | ({"retained": ratio} if ratio else {})
