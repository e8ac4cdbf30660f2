"""Comparisons as GitHub shows them."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness.report.baselines._compare import Comparison
from harness.report.baselines._file import Baseline

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
