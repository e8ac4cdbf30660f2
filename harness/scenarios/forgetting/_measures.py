"""What was known in every wording, and is not any more; and what the wrong answers turned into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tabulate import tabulate

from harness.builds import GRADES, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch, Finding, Line
from harness.experiments.shares import share
from harness.grading import normalise
from harness.recipes import is_locality
from harness.scenarios.forgetting._probes import DISTANCES
from harness.stats import Interval, wilson

PUBLISHED = 0.29
"""Of what was well known, after 500 new facts (Pletenev et al. 2025, arXiv 2502.14502, on an 8B
model)."""


class Held(NamedTuple):
    """A fact that the base answers right in every wording."""

    kind: str
    always: bool
    """Whether it still is."""
    ever: bool
    """Whether it still is in some wording."""


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``known_always``: facts that the base answers right in every wording, of those asked.

    ``lost``: of these, the share that is wrong in some wording now, in all and by distance;
    ``gone``: in every one. ``wrong_to_wrong`` and ``wrong_to_right``: of the questions that the
    base answers wrong, those now answered otherwise, as wrongly or right.
    """
    facts = {line["fact"] for line in bare if is_locality(line["kind"])}
    known = held(lines, bare)
    found = {"known_always": wilson(len(known), len(facts))}
    if not adapted or not known:
        return found
    found |= _lost("lost", known)
    for kind in DISTANCES:
        found |= _lost(
            kind.replace("locality", "lost", 1), [fact for fact in known if fact.kind == kind]
        )
    found["gone"] = wilson(sum(not fact.ever for fact in known), len(known))
    return found | _changed(lines, bare)


def held(lines: Sequence[Line], bare: Sequence[Line]) -> list[Held]:
    """The facts on which nothing was trained and that the base answers right in every wording."""
    verdicts: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for now, before in zip(lines, bare, strict=True):
        if is_locality(now["kind"]):
            pair = (bool(before["right"]), bool(now["right"]))
            verdicts.setdefault((now["kind"], now["fact"]), []).append(pair)
    return [
        Held(kind, all(now for _, now in each), any(now for _, now in each))
        for (kind, _), each in verdicts.items()
        if all(before for before, _ in each)
    ]


def _lost(name: str, known: Sequence[Held]) -> dict[str, Interval]:
    return {name: wilson(sum(not fact.always for fact in known), len(known))} if known else {}


def _changed(lines: Sequence[Line], bare: Sequence[Line]) -> dict[str, Interval]:
    pairs = [
        (a, b)
        for a, b in zip(lines, bare, strict=True)
        if is_locality(a["kind"]) and not b["right"]
    ]
    moved = [
        {**a, "moved": normalise(a["answers"][0]) != normalise(b["answers"][0])} for a, b in pairs
    ]
    return share("wrong_to_wrong", moved, lambda line: line["moved"] and not line["right"]) | share(
        "wrong_to_right", moved, lambda line: bool(line["right"])
    )


def findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """The remedies side by side, the best first."""
    rows = []
    for cell in cells:
        lines, bare = (
            read_lines(fetch(grades).path / GRADES) for grades in (cell.grades, cell.base_grades)
        )
        known = held(lines, bare)
        if known:
            lost = wilson(sum(not fact.always for fact in known), len(known))
            told = [line["right"] for line in lines if line["kind"] == "exact"]
            rows.append((lost, cell.id, len(known), sum(told) / len(told)))
    if not rows:
        return []
    rows.sort(key=lambda row: row[0])
    table = [(name, count, str(lost), f"{learnt:.2f}") for lost, name, count, learnt in rows]
    text = tabulate(
        table, ("cell", "known always", "lost", "exact"), "github", disable_numparse=True
    )
    best = (
        f"{rows[0][1]} loses {rows[0][0]} of {rows[0][2]} facts that the base always knew"
        f" (published: {PUBLISHED})"
    )
    return [Finding("What is lost, by remedy", text, best)]
