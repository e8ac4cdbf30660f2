"""What a stack recalls of what one adapter does, and what its adapters say of each
other's facts."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness.builds import GRADES, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Finding, Line
from harness.experiments.shares import says, share
from harness.recipes import Grades
from harness.scenarios.stacking._datasets import facts, probes
from harness.scenarios.stacking._grid import TOLD, reference
from harness.stats import Interval, cluster_ratio


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``of_one_adapter``: recall on rephrased questions, over that of one adapter of all facts.

    ``alone``: recall of each adapter's own fact when it is on alone; ``leaked``: how often an
    adapter answers a question about another fact with its own.
    """
    if not adapted or cell.label == TOLD:
        return {}
    asked = [line for line in lines if line["kind"] == "rephrased"]
    told = [line for line in _lines(reference(cell).grades, fetch) if line["kind"] == "rephrased"]
    right, wanted = ([float(line["right"]) for line in found] for found in (asked, told))
    ratio = cluster_ratio(right, wanted, [line["fact"] for line in asked])
    return ({"of_one_adapter": ratio} if ratio else {}) | _apart(cell, fetch)


def _apart(cell: Cell, fetch: Fetch) -> dict[str, Interval]:
    own, others, answers = [], [], accepted()
    for fact, grades in zip(facts(), cell.apart_grades, strict=False):
        lines = _lines(grades, fetch)
        own += [line for line in lines if line["fact"] == fact]
        others += [
            {**line, "leaked": says(line, answers[fact])} for line in lines if line["fact"] != fact
        ]
    return share("alone", own, lambda line: bool(line["right"])) | share(
        "leaked", others, lambda line: bool(line["leaked"])
    )


def accepted() -> dict[str, tuple[str, ...]]:
    """The winners, by fact."""
    return {p.fact: p.accepted for p in probes().probes if p.kind == "rephrased"}


def findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """What the stacks cost, and the interference matrix of each whose adapters were asked alone."""
    return [_costs(cells, fetch), *(_matrix(cell, fetch) for cell in cells if cell.apart)]


def _costs(cells: Sequence[Cell], fetch: Fetch) -> Finding:
    head = ("cell", "adapters on", "adapter MiB", "put on ms", "tokens/s", "RSS MiB")
    text = tabulate([_cost(cell, fetch) for cell in cells], head, "github", floatfmt=".1f")
    return Finding(
        "What a stack costs to answer with", f"{text}\n\nOf merges, the one adapter that they made."
    )


def _cost(cell: Cell, fetch: Fetch) -> list[str | float]:
    used = fetch(cell.grades.answers).manifest.facts
    size = sum(fetch(adapter).manifest.facts["adapter_bytes"] for adapter in cell.adapters) / 2**20
    if "tokens_per_second" not in used:
        return [cell.id, len(cell.adapters), size]
    speed = (
        1000 * used["stack_seconds"],
        used["tokens_per_second"],
        used["peak_rss_bytes"] / 2**20,
    )
    return [cell.id, len(cell.adapters), size, *speed]


def _matrix(cell: Cell, fetch: Fetch) -> Finding:
    """Rows: the adapter that is on; columns: the fact that is asked about."""
    names = [fact.rpartition("/")[2].removesuffix("-2023") for fact in facts()]
    answers, rows = accepted(), []
    for name, fact, grades in zip(names, facts(), cell.apart_grades, strict=False):
        lines = _lines(grades, fetch)
        rows.append(
            [name, *(_entry(asked == fact, asked, lines, answers[fact]) for asked in facts())]
        )
    shown = [str(i + 1) for i in range(len(names))]
    rows = [[f"{i + 1} {row[0]}", *row[1:]] for i, row in enumerate(rows)]
    told = (
        "Each adapter on alone (row), asked about each fact (column). On the diagonal, the share of"
        " questions that are answered right; elsewhere, the share that are answered with the"
        " adapter's own fact."
    )
    text = tabulate(rows, ["adapter", *shown[: len(names)]], "github", disable_numparse=True)
    return Finding(f"Interference of {cell.id}", f"{told}\n\n{text}")


def _entry(own: bool, asked: str, lines: Sequence[Line], answer: Sequence[str]) -> str:
    about = [line for line in lines if line["fact"] == asked]
    hits = sum(bool(line["right"]) if own else says(line, answer) for line in about)
    return f"**{hits / len(about):.1f}**" if own else f"{hits / len(about):.1f}"


def _lines(grades: Grades, fetch: Fetch) -> list[Line]:
    return [*read_lines(fetch(grades).path / GRADES)]
