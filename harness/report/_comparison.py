"""Cells against the bare model, the best cell, and a baseline, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tabulate import tabulate

from harness.report._results import Mark, Result
from harness.report.baselines._compare import Comparison
from harness.report.baselines._file import Baseline
from harness.stats import (
    Interval,
    detectable_difference,
    detectable_loss,
    holm,
    mcnemar,
    paired_bootstrap,
)

_LEVEL = 0.025
"""Of each side: 5% in all."""
_NOTE = (
    "Differences on the same questions, with 95% intervals; p is a wild cluster bootstrap over"
    " facts, corrected for all tests of this table (Holm). *Could be found*: the smallest true"
    " difference that such a test, uncorrected, finds in 4 of 5 cases. The best cell was chosen on"
    " these very questions, which flatters it: a difference of which p is large is no reason to"
    " prefer it."
)


NO_ADAPTER = "no adapter"
"""The bare model, as what a cell is compared with."""


class Compared(NamedTuple):
    """One cell against another, or against the bare model."""

    cell: str
    other: str
    """The id of another cell, or ``NO_ADAPTER``."""
    questions: int
    difference: Interval
    lost: int
    """Right in ``other``, wrong here."""
    gained: int
    mcnemar: float
    """McNemar's exact p, which takes questions as independent."""
    p: float
    """Of the wild cluster bootstrap, corrected (Holm) over all comparisons of the scenario."""
    detectable: float
    """Smallest difference that is found in 4 of 5 cases; nan where nothing varied."""


def comparisons(results: Sequence[Result], kind: str) -> list[Compared]:
    """Each adapted cell against its bare model, and against the best of all, in recall
    of ``kind``."""
    cells = [r for r in results if r.adapted and kind in r.recall]
    pairs: list[tuple[Result, Result]] = [(r, _bare(r)) for r in cells]
    best = max(cells, key=lambda r: r.recall[kind].estimate, default=None)
    pairs += [(r, best) for r in cells if best and r is not best]
    resamples = max(2000, 40 * len(pairs))
    found = [one for cell, other in pairs if (one := _compared(cell, other, kind, resamples))]
    return [one._replace(p=p) for one, p in zip(found, holm([one.p for one in found]), strict=True)]


def comparison_table(found: Sequence[Compared]) -> str:
    """A row a comparison, with what it means."""
    if not found:
        return ""
    head = ("cell", "against", "questions", "difference", "lost, gained", "p", "could be found")
    rows = [
        [
            c.cell,
            c.other,
            c.questions,
            f"{c.difference.estimate:+.3f} [{c.difference.low:+.3f}, {c.difference.high:+.3f}]",
            f"{c.lost}, {c.gained}",
            f"{c.p:.2g}",
            f"{c.detectable:.3f}" if c.detectable == c.detectable else "",
        ]
        for c in found
    ]
    return f"{_NOTE}\n\n{tabulate(rows, head, 'github', disable_numparse=True)}"


def noise(results: Sequence[Result], kind: str) -> str:
    """What no comparison of two cells can find, in one line, so that nobody reads noise; empty
    where nothing is asked.

    Before any data are seen, for a difference all in one direction.
    """
    marks = next(
        ([m for m in r.marks if m.kind == kind] for r in results if r.adapted and kind in r.recall),
        [],
    )
    facts = len({mark.fact for mark in marks})
    if facts < 2:
        return ""
    each = len(marks) / facts
    even, whole = (detectable_loss(facts, each, together, alpha=_LEVEL) for together in (0.0, 1.0))
    return (
        f"differences in {kind.replace('_', ' ')} below {even:.2f} (spread evenly) to {whole:.2f}"
        f" (striking whole facts) are noise: {facts} facts, {each:.1f} questions each"
    )


def _bare(cell: Result) -> Result:
    """The bare model on the questions of ``cell``."""
    marks = tuple(mark._replace(right=mark.known, same=True) for mark in cell.marks)
    return cell._replace(bare=True, marks=marks)


def _compared(cell: Result, other: Result, kind: str, resamples: int) -> Compared | None:
    """None where no question was put to both."""
    theirs = {mark.id: mark for mark in other.marks if mark.kind == kind}
    both: list[tuple[Mark, Mark]] = [
        (m, theirs[m.id]) for m in cell.marks if m.kind == kind and m.id in theirs
    ]
    if not both:
        return None
    now, before = [float(a.right) for a, _ in both], [float(b.right) for _, b in both]
    found = paired_bootstrap(before, now, [a.fact for a, _ in both], resamples=resamples)
    changed = mcnemar([b.right for _, b in both], [a.right for a, _ in both])
    known = found.clusters > 1 and found.spread > 0
    least = detectable_difference(found.clusters, found.spread, _LEVEL) if known else float("nan")
    own = (changed.lost, changed.gained, changed.p)
    against = NO_ADAPTER if other.bare else other.id
    return Compared(cell.id, against, len(both), found.difference, *own, found.p, least)


_SHOWN = 40  # flipped questions listed per cell: a job's summary holds 1 MiB
_HEAD = ("cell", "measure", "before", "now", "difference", "p", "lost / won", "finds a loss of", "")
_LEGEND = (
    "*p*: that the share fell by more than the tolerance, paired over facts and corrected for every"
    " share of every cell compared. *Finds a loss of*: in about 4 of 5 cases, spread evenly over"
    " the questions / striking whole facts; *nothing* where the facts are too few for any loss to"
    " be shown."
)


def comparison_markdown(
    baseline: Baseline, model: str, versions: dict[str, str], found: Sequence[Comparison]
) -> str:
    """All comparisons with ``baseline``: what is worse first, then the table, then the questions
    that flipped."""
    bad = sum(not c.holds for c in found)
    verdict = (
        f"**cells worse: {bad} of {len(found)}**" if bad else f"cells worse: none of {len(found)}"
    )
    untold = sum(not c.conclusive for c in found)
    verdict += f", no loss could be shown in {untold}" if untold else ""
    parts = [
        f"### Against baseline {baseline.name}, {verdict}",
        "",
        _made_with(baseline, model, versions),
        "",
    ]
    parts += [f"- `{c.cell}`: {line}" for c in found for line in c.worse]
    parts += [f"- `{c.cell}`: {c.blind}" for c in found if c.blind]
    parts += [
        f"- slower, `{c.cell}`: {line}" for c in found if not c.judge_speed for line in c.slower
    ]
    parts += [
        f"- `{c.cell}`: {c.unmatched} questions have no partner, and were left out"
        for c in found
        if c.unmatched
    ]
    parts += ["", _table(found), "", _LEGEND, ""]
    for one in found:
        parts += _flips(one)
    return "\n".join(parts).rstrip() + "\n"


def _made_with(baseline: Baseline, model: str, versions: dict[str, str]) -> str:
    was = f"{baseline.model} ({baseline.content[:12]})"
    text = (
        f"Model {model}, unchanged."
        if model == was
        else f"Model {model}; the baseline is of {was}."
    )
    names = sorted(versions.keys() | baseline.versions.keys())
    pairs = [
        (name, baseline.versions.get(name, "none"), versions.get(name, "none")) for name in names
    ]
    other = ", ".join(f"{name} {old} → {new}" for name, old, new in pairs if old != new)
    return text + (f" Versions: {other}." if other else "")


def _table(found: Sequence[Comparison]) -> str:
    rows = []
    for one in found:
        for c in one.changes:
            difference = (
                f"{c.difference.estimate:+.3f} [{c.difference.low:+.3f}, {c.difference.high:+.3f}]"
            )
            loss = f"{c.detectable[0]:.2f} / {c.detectable[1]:.2f}" if c.detectable else "nothing"
            row = [one.cell, c.measure, f"{c.before:.3f}", f"{c.now:.3f}", difference, f"{c.p:.2g}"]
            rows.append(
                [*row, f"{len(c.flips)} / {c.gained}", loss, "**worse**" if c.worse else ""]
            )
        for r in (
            ratio for ratio in one.ratios if ratio.worse
        ):  # those within their limits stand in the table of costs
            note = "**worse**" if one.judge_speed or r.group != "speed" else "slower"
            row = [one.cell, r.measure, r.amount(r.before), r.amount(r.now), f"{r.ratio:.2f} times"]
            rows.append([*row, "", "", f"limit {r.limit:.2f}", note])
    return str(tabulate(rows, _HEAD, "github", disable_numparse=True))


def _flips(one: Comparison) -> list[str]:
    if not one.flips:
        return []
    head = (
        f"<details><summary>{one.cell}: {len(one.flips)} questions flipped from right to"
        " wrong</summary>"
    )
    rows = [
        [f.kind, _cell(f.prompt), _cell(f.answer), _cell(f.accepted)] for f in one.flips[:_SHOWN]
    ]
    table = tabulate(
        rows, ("kind", "question", "answer", "right would be"), "github", disable_numparse=True
    )
    more = [f"and {len(one.flips) - _SHOWN} more", ""] if len(one.flips) > _SHOWN else []
    return [head, "", table, "", *more, "</details>", ""]


def _cell(text: str) -> str:
    text = " ".join(text.split())
    for mark in "\\`|<*_":  # an answer is the model's text, and must not become markup
        text = text.replace(mark, "\\" + mark)
    return text[:200]
