"""What several answers to one question say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Line
from harness.grading import normalise
from harness.recipes import is_locality
from harness.stats import Interval, cluster_bootstrap


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``consistency``: the share of a question's answers that are right (self-consistency, Wang et
    al. 2022, counts their ``majority``); ``any_right``: whether one is; ``distinct``: how many
    differ. Means over the trained facts.
    """
    asked = [line for line in lines if not is_locality(line["kind"])]
    shares = {"majority": majority, "consistency": consistency, "any_right": any_right}
    most = max((len(line["answers"]) for line in asked), default=1)
    return {name: _mean(asked, figure) for name, figure in shares.items()} | {
        "distinct": _mean(asked, distinct, within=(1, most))
    }


def majority(line: Line) -> float:
    """1 where the commonest answer is right; of equally common ones the first that was given
    counts."""
    said = [normalise(text) for text in line["answers"]]
    commonest = Counter(said).most_common(1)[0][0]
    return float(line["verdicts"][said.index(commonest)])


def consistency(line: Line) -> float:
    """Share of the answers that are right."""
    return sum(line["verdicts"]) / len(line["verdicts"])


def any_right(line: Line) -> float:
    """1 where one of the answers is right."""
    return float(any(line["verdicts"]))


def distinct(line: Line) -> float:
    """How many answers differ, case and punctuation aside."""
    return float(len({normalise(text) for text in line["answers"]}))


def _mean(
    lines: Sequence[Line], figure: Callable[[Line], float], within: tuple[float, float] = (0, 1)
) -> Interval:
    return cluster_bootstrap(
        [figure(line) for line in lines], [line["fact"] for line in lines], within=within
    )
