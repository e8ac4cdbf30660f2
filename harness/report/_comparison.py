"""Now against before, as tables: cells against a baseline, and a report against another."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataError
from harness.grading import normalise
from harness.recipes import is_locality
from harness.report._paired import ALPHA, Change, Pair, changes, enough_resamples, with_recall
from harness.report._results import BASE, DATABASE
from harness.report._tables import markdown_table, signed, words
from harness.report.baselines import Baseline, Comparison, Ratio
from harness.stats import Interval, holm, paired_bootstrap

LOCALITY = "locality"
_SHOWN = 40  # flipped questions listed per cell: a job's summary holds 1 MiB
_HEAD = ("cell", "measure", "before", "now", "difference", "p", "lost / won", "finds a loss of", "")
_LEGEND = (
    "*p*: of the test whether the share fell by more than the tolerance, paired over facts and"
    " corrected for every share of every cell compared. *Finds a loss of*: the losses that the test"
    " finds in about 4 of 5 cases, spread evenly over the questions / striking whole facts;"
    " *nothing* where the facts are too few to show any loss."
)


def comparison_markdown(
    baseline: Baseline, model: str, versions: dict[str, str], comparisons: Sequence[Comparison]
) -> str:
    """All comparisons with ``baseline``: what is worse, then the table, then flipped questions."""
    worse = sum(not each.holds for each in comparisons)
    verdict = "cells worse: none of" if not worse else f"**cells worse: {worse} of"
    verdict += f" {len(comparisons)}{'**' if worse else ''}"
    inconclusive = sum(not each.conclusive for each in comparisons)
    if inconclusive:
        verdict += f", no loss could be shown in {inconclusive}"
    parts = [
        f"### Against baseline {baseline.name}, {verdict}",
        "",
        _made_with(baseline, model, versions),
        "",
        *_notes(comparisons),
        "",
        _table(comparisons),
        "",
        _LEGEND,
        "",
    ]
    for each in comparisons:
        parts += _flips(each)
    return "\n".join(parts).rstrip() + "\n"


class ReportCell(NamedTuple):
    """A cell as a RESULTS.json has it."""

    scenario: str
    id: str
    status: str
    shares: dict[str, Interval]
    """Recall by kind, and locality where the cell has an adapter."""
    seconds: float | None
    """Of training; None for a bare model."""


class Verdict(NamedTuple):
    """One answer, as the view ``graded`` of results.sqlite has it."""

    kind: str
    fact: str
    right: bool
    same: bool | None
    """Whether it is what the bare model answers; None without an answer of the bare model."""
    prompt: str
    answer: str
    accepted: str


class WrittenReport:
    """A report in a folder: the figures of RESULTS.json, the verdicts of results.sqlite."""

    def __init__(self, path: Path) -> None:
        """``path`` is a RESULTS.json or its folder.

        Raises:
            DataError: it cannot be read, or is not a RESULTS.json.
        """
        self.path = path
        file = path / "RESULTS.json" if path.is_dir() else path
        self.database = file.with_name(DATABASE)
        self.cells = {(cell.scenario, cell.id): cell for cell in _read(file)}

    def name(self, key: tuple[str, str]) -> str:
        """A cell's id, after its scenario where the report has several."""
        several = len({scenario for scenario, _ in self.cells}) > 1
        return f"{key[0]}: {key[1]}" if several else key[1]

    def verdicts(self, cell: ReportCell) -> dict[str, Verdict]:
        """Those on the cell, by probe; none where results.sqlite does not have it.

        Raises:
            DataError: there is no results.sqlite, or it is not one of this version.
        """
        if not self.database.is_file():
            raise DataError(
                f"{self.database} is missing, which holds the verdicts to test: keep it beside"
                " RESULTS.json, or write the report again by `python -m harness report`"
            )
        address = f"{self.database.resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as database:
                return dict(_verdicts(database, cell))
        except sqlite3.Error as error:
            raise DataError(
                f"{self.database} cannot be read ({error}): write the report again by"
                " `python -m harness report`"
            ) from error


class ReportPair(NamedTuple):
    """A cell of two reports, with the questions that both asked."""

    name: str
    a: ReportCell
    b: ReportCell
    groups: dict[str, list[Pair]]
    """By measure; without those on which one of the reports has no verdicts."""
    unmatched: int
    """Questions of one report that the other does not have."""

    @property
    def gone(self) -> list[str]:
        """Measures of A that B does not have."""
        return [name for name in self.a.shares if name not in self.b.shares]

    @property
    def untested(self) -> list[str]:
        """Measures of both without verdicts in one of the reports."""
        shared = [name for name in self.a.shares if name in self.b.shares]
        return [name for name in shared if name not in self.groups]


def report_pairs(a: WrittenReport, b: WrittenReport, tested: bool = True) -> list[ReportPair]:
    """The cells that both reports have, in the order of A; without verdicts if not ``tested``.

    Raises:
        DataError: one of them has no results.sqlite, or one that cannot be read.
    """
    pairs = []
    for key in (key for key in a.cells if key in b.cells):
        old = a.verdicts(a.cells[key]) if tested else {}
        new = b.verdicts(b.cells[key]) if tested else {}
        groups = _groups(old, new, [*a.cells[key].shares])
        cells = (a.cells[key], b.cells[key])
        pairs.append(ReportPair(a.name(key), *cells, groups, len(old.keys() ^ new.keys())))
    return pairs


def report_table(pairs: Sequence[ReportPair]) -> str:
    """A row for each cell: what B has, and in brackets by how much that is more than A."""
    starred = _starred(pairs)
    kinds = [name for pair in pairs for name in (*pair.a.shares, *pair.b.shares)]
    measures = [*dict.fromkeys(kind for kind in kinds if kind != LOCALITY), LOCALITY]
    rows = []
    for pair in pairs:
        a, b = pair.a, pair.b
        shares = [
            _share(a.shares.get(name), b.shares.get(name), (pair.name, name) in starred)
            for name in measures
        ]
        rows.append([pair.name, *shares, _seconds(a, b), _status(a, b)])
    return markdown_table(["cell", *map(words, measures), "train s", "status"], rows)


def report_changes(
    pairs: Sequence[ReportPair], a: WrittenReport, tolerance: float
) -> list[Comparison]:
    """Each cell of B against A, by the test that baselines use: see ``changes``."""
    return [
        Comparison(
            cell=pair.name,
            baseline=str(a.path),
            changes=tuple(changes(pair.groups, tolerance, len(pairs))),
            ratios=(),
            status=(pair.a.status, pair.b.status),
            main=next(iter(pair.groups), ""),
            unmatched=pair.unmatched,
            judge_speed=False,
        )
        for pair in pairs
    ]


def _notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    for each in comparisons:
        yield from (f"- `{each.cell}`: {line}" for line in each.worse)
    for each in comparisons:
        if each.blind:
            yield f"- `{each.cell}`: {each.blind}"
    for each in comparisons:
        if not each.judge_speed:
            yield from (f"- slower, `{each.cell}`: {line}" for line in each.slower)
    for each in comparisons:
        if each.unmatched:
            yield f"- `{each.cell}`: {each.unmatched} questions of one side only were left out"


def _made_with(baseline: Baseline, model: str, versions: dict[str, str]) -> str:
    before = f"{baseline.model} ({baseline.content[:12]})"
    text = f"Model {model}, unchanged."
    if model != before:
        text = f"Model {model}; the baseline is of {before}."
    updates = [
        f"{name} {baseline.versions.get(name, 'none')} → {versions.get(name, 'none')}"
        for name in sorted(versions.keys() | baseline.versions.keys())
        if baseline.versions.get(name) != versions.get(name)
    ]
    return f"{text} Versions: {', '.join(updates)}." if updates else text


def _table(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for each in comparisons:
        rows += [_change_row(each.cell, change) for change in each.changes]
        # Costs within their limits are in the table of costs.
        rows += [
            _ratio_row(each.cell, ratio, each.judge_speed) for ratio in each.ratios if ratio.worse
        ]
    return markdown_table(_HEAD, rows)


def _change_row(cell: str, change: Change) -> list[str]:
    loss = "nothing"
    if change.detectable:
        loss = f"{change.detectable[0]:.2f} / {change.detectable[1]:.2f}"
    return [
        cell,
        change.measure,
        f"{change.before:.3f}",
        f"{change.now:.3f}",
        signed(change.difference),
        f"{change.p:.2g}",
        f"{len(change.flips)} / {change.gained}",
        loss,
        "**worse**" if change.worse else "",
    ]


def _ratio_row(cell: str, ratio: Ratio, judge_speed: bool) -> list[str]:
    return [
        cell,
        ratio.measure,
        ratio.amount(ratio.before),
        ratio.amount(ratio.now),
        f"{ratio.ratio:.2f} times",
        "",
        "",
        f"limit {ratio.limit:.2f}",
        "**worse**" if judge_speed or ratio.group != "speed" else "slower",
    ]


def _flips(comparison: Comparison) -> list[str]:
    flips = comparison.flips
    if not flips:
        return []
    summary = f"{comparison.cell}: {len(flips)} questions flipped from right to wrong"
    rows = [
        [flip.kind, *map(_plain, (flip.prompt, flip.answer, flip.accepted))]
        for flip in flips[:_SHOWN]
    ]
    table = markdown_table(("kind", "question", "answer", "right answer"), rows)
    more = [f"and {len(flips) - _SHOWN} more", ""] if len(flips) > _SHOWN else []
    return [f"<details><summary>{summary}</summary>", "", table, "", *more, "</details>", ""]


def _plain(text: str) -> str:
    """The start of ``text`` in one line; it is the model's, and must not become markup."""
    text = " ".join(text.split())
    for mark in "\\`|<*_":
        text = text.replace(mark, "\\" + mark)
    return text[:200]


def _starred(pairs: Sequence[ReportPair]) -> set[tuple[str, str]]:
    """(cell, measure) of shares that differ, corrected (Holm) over all shares of ``pairs``."""
    groups = {
        (pair.name, measure): group
        for pair in pairs
        for measure, group in pair.groups.items()
        if measure in pair.a.shares
    }
    resamples = enough_resamples(len(groups))
    ps = [
        paired_bootstrap(
            [pair.before for pair in group],
            [pair.now for pair in group],
            [pair.fact for pair in group],
            resamples=resamples,
        ).p
        for group in groups.values()
    ]
    return {key for key, p in zip(groups, holm(ps), strict=True) if p <= ALPHA}


def _groups(
    old: Mapping[str, Verdict], new: Mapping[str, Verdict], measures: Sequence[str]
) -> dict[str, list[Pair]]:
    """Verdicts on the questions of both, by measure; first those of all recall together."""
    groups: dict[str, list[Pair]] = {}
    for probe in (probe for probe in old if probe in new):
        before, now = old[probe], new[probe]
        local = is_locality(now.kind)
        measure = LOCALITY if local else now.kind
        was, now_is = (before.same, now.same) if local else (before.right, now.right)
        if measure not in measures or was is None or now_is is None:  # a bare model has no locality
            continue
        pair = Pair(probe, now.kind, now.fact, was, now_is, now.prompt, now.answer, now.accepted)
        groups.setdefault(measure, []).append(pair)
    locality = {name: groups.pop(name) for name in [LOCALITY] if name in groups}
    return {name: list(group) for name, group in with_recall(groups).items()} | locality


def _read(file: Path) -> list[ReportCell]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))["results"]
        return [_report_cell(cell) for cell in values]
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}): give a RESULTS.json of a report"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is not a RESULTS.json ({error}): give one that pytest suites/... wrote"
        ) from error


def _report_cell(cell: Mapping[str, Any]) -> ReportCell:
    shares = {str(kind): _interval(value) for kind, value in cell["recall"].items()}
    if cell["status"] != BASE and cell["locality"]:  # a bare model is always as local as itself
        shares[LOCALITY] = _interval(cell["locality"])
    scenario = str(cell.get("scenario", ""))
    return ReportCell(
        scenario, str(cell["id"]), cell["status"], shares, cell["cost"].get("seconds")
    )


def _interval(value: Mapping[str, float]) -> Interval:
    interval = Interval(float(value["estimate"]), float(value["low"]), float(value["high"]))
    if not all(map(math.isfinite, interval)):
        raise ValueError(f"a share is {interval.estimate}, not a number")
    return interval


def _verdicts(database: sqlite3.Connection, cell: ReportCell) -> Iterator[tuple[str, Verdict]]:
    # A bare model that was asked several sets of probes has a row for each, with the set's name
    # after its id. RESULTS.json has it once, on the last of them.
    names = database.execute(
        "SELECT id FROM cells WHERE scenario = ?1 AND (id = ?2 OR status = 'base'"
        " AND substr(id, 1, length(?2) + 2) = ?2 || ', ') ORDER BY cell",
        (cell.scenario, cell.id),
    ).fetchall()
    if not names:
        return
    rows = database.execute(
        "SELECT probe, kind, fact, right, answer, bare_answer, prompt, accepted FROM graded"
        " WHERE scenario = ? AND cell = ? AND sample = 0",
        (cell.scenario, names[-1][0]),
    )
    for probe, kind, fact, right, answer, bare, prompt, accepted in rows:
        same = None if bare is None else normalise(answer) == normalise(bare)
        first = json.loads(accepted)[0]
        yield probe, Verdict(kind, fact, bool(right), same, prompt, answer, first)


def _share(a: Interval | None, b: Interval | None, starred: bool) -> str:
    if b is None:
        return "" if a is None else "gone"
    if a is None:
        return f"{b.estimate:.2f} (new)"
    return f"{b.estimate:.2f} ({b.estimate - a.estimate:+.2f}{'*' if starred else ''})"


def _seconds(a: ReportCell, b: ReportCell) -> str:
    if a.seconds is None or b.seconds is None:
        return ""
    return f"{b.seconds:.1f} ({b.seconds - a.seconds:+.1f})"


def _status(a: ReportCell, b: ReportCell) -> str:
    return b.status if a.status == b.status else f"{b.status} (was {a.status})"
