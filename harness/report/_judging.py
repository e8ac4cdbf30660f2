"""What a judge said beside the fuzzy grader: its quality, agreement, disputes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tabulate import tabulate

from harness.builds import ByGrader, Calibrated, GradedLine, graded_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch
from harness.grading import JUDGE
from harness.grading.calibration import UNDECIDED, Versus
from harness.recipes import Calibration, Grades
from harness.stats import (
    ErrorRates,
    Interval,
    McNemar,
    cluster_bootstrap,
    kappa,
    mcnemar,
    rogan_gladen,
)

_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in "\\`[]*_~|"}
)


def escaped(text: str) -> str:
    """One line that breaks no table and shows as it is, markup and all; line ends stay visible."""
    return " ⏎ ".join(text.strip().splitlines()).translate(_ESCAPES)


_SAME_PAIRS = """\
The fuzzy grader was held against the same held-out pairs. The p-values are those of a paired test
by accepted answer (wild cluster bootstrap), over the groups adjusted by Holm's method."""
_DISPUTES_SHOWN = 40  # disputes in RESULTS.md; RESULTS.json has all


class Dispute(NamedTuple):
    """An answer on which the graders disagree, or the judge is undecided; told once, however many
    cells gave it."""

    kind: str
    prompt: str
    answer: str
    accepted: str
    fuzzy: bool
    judge: str
    """``same``, ``differ`` or ``undecided``."""
    odds: float | None
    """How sure the judge is: nats (or votes) above its cut; None where that is no finite number."""
    cells: tuple[str, ...]


class Seen(NamedTuple):
    """One kind of recall of one cell, as each grader has it."""

    cell: str
    kind: str
    fuzzy: Interval
    judge: Interval
    corrected: Interval
    """The judge's, corrected for its known error rates."""


class Judging(NamedTuple):
    """All about the judge of one scenario's cells."""

    name: str
    grader: str
    calibrated: Calibrated
    answers: int
    """Distinct answers that were judged; answers to one question that are alike count once."""
    kappa: Interval
    """Of the judge with the fuzzy grader."""
    mcnemar: McNemar
    """Fuzzy as *before*, the judge as *after*."""
    undecided: int
    seen: tuple[Seen, ...]
    disputes: tuple[Dispute, ...]


def corrected(share: Interval, rates: ErrorRates) -> Interval:
    """Rogan and Gladen's share; of a judge that knows nothing, only that it lies
    between 0 and 1."""
    if rates.sensitivity + rates.specificity <= 1:
        return Interval(share.estimate, 0.0, 1.0)
    return rogan_gladen(share, rates)


def judging(cells: Sequence[Cell], fetch: Fetch) -> Judging | None:
    """The judge of ``cells``; None where there is none."""
    calibration = cells[0].grading.calibration
    if calibration is None:
        return None
    found = Calibrated.of(fetch(calibration))
    answers = list(_answers(cells, fetch))
    once = {(line.prompt, *line.accepted, line.answer): line for _, line in answers}
    pairs = [_by(line) for line in once.values()]
    fuzzy = [by.fuzzy for by in pairs]
    judge = [by.judge for by in pairs]
    return Judging(
        name=calibration.judge.name,
        grader=cells[0].grading.grader,
        calibrated=found,
        answers=len(once),
        kappa=kappa(fuzzy, judge, [line.fact for line in once.values()]),
        mcnemar=mcnemar(fuzzy, judge),
        undecided=sum(line.judged[0] == UNDECIDED for line in once.values()),
        seen=tuple(_seen(answers, found.held_out.rates)),
        disputes=tuple(_disputes(answers)),
    )


def summary(name: str, found: Calibrated) -> str:
    """The calibration, for terminals: a line each for what the judge is worth, which grader is
    better, and doubts."""
    lines = [
        f"judge {name} (by {found.by}) on held-out labelled pairs: {found.held_out}",
        contest(found),
    ]
    return "\n".join([*lines, *warning(found)])


def contest(found: Calibrated) -> str:
    """The judge beside the fuzzy grader on all held-out pairs, in one line."""
    one = found.versus[0]
    shares = f"accuracy of the judge {one.judge}, of the fuzzy grader {one.fuzzy}"
    return (
        f"on the same {one.pairs} pairs: {shares}, difference {_difference(one)}, p {one.p:.2g}:"
        f" {one.conclusion}"
    )


def warning(found: Calibrated) -> list[str]:
    """One line where the judge's verdicts are not to be relied on; else none."""
    if not found.doubts:
        return []
    return [f"WARNING: verdicts of this judge are not to be relied on: {'; '.join(found.doubts)}"]


def counting(found: Judging) -> str:
    """Who judges, and whose verdicts count."""
    counts = "the judge's" if found.grader == JUDGE else "the fuzzy grader's"
    right = "; recall is corrected for the judge's error rates" if found.grader == JUDGE else ""
    return (
        f"Judge: {found.name}, by {found.calibrated.by}. The tables show {counts} verdicts{right}."
    )


def agreement(found: Judging) -> str:
    """How far the two graders agree, in three lines."""
    lines = [
        f"On {found.answers} distinct answers the judge agrees with the fuzzy grader with kappa"
        f" {found.kappa}:"
    ]
    lines += [
        f"{found.mcnemar.gained} are right for the judge only, {found.mcnemar.lost} for the fuzzy"
        " grader only"
    ]
    lines += [
        f"(McNemar's exact p {found.mcnemar.p:.2g}); undecided, and so not right:"
        f" {found.undecided}."
    ]
    return "\n".join(lines)


def judging_markdown(found: Judging, level: str) -> list[str]:
    """The chapter of RESULTS.md."""
    lines = [f"{level} The judge", "", counting(found)]
    lines += [
        "The cut between *same* and *differ* was chosen on one half of the labelled pairs; what it"
        " is worth was"
    ]
    lines += [
        f"measured on the other. Cut: {found.calibrated.cut:.2f}.",
        "",
        worth_table(found.calibrated),
        "",
    ]
    lines += [_SAME_PAIRS, "", versus_table(found.calibrated), ""]
    lines += [
        f"{sentence}." for sentence in (contest(found.calibrated), *warning(found.calibrated))
    ]
    lines += [
        "",
        agreement(found),
        "",
        _seen_table(found.seen),
        "",
        f"{level}# Where the graders disagree",
        "",
    ]
    more = (
        f", {_DISPUTES_SHOWN} of them here, all in RESULTS.json"
        if len(found.disputes) > _DISPUTES_SHOWN
        else ""
    )
    return [
        *lines,
        f"{len(found.disputes)} answers{more}.",
        "",
        *_disputed(found.disputes[:_DISPUTES_SHOWN]),
    ]


def judging_plain(found: Judging) -> dict[str, Any]:
    """JSON-ready."""
    held = found.calibrated
    return {
        **found._asdict(),
        "by": held.by,
        "calibrated": {
            "cut": held.cut,
            **{name: getattr(held, name).plain() for name in ("tuned", "held_out", "fuzzy")},
            "versus": [one.plain() for one in held.versus],
            "doubts": list(held.doubts),
        },
        "kappa": found.kappa._asdict(),
        "mcnemar": found.mcnemar._asdict(),
        "seen": [
            {k: v._asdict() if isinstance(v, Interval) else v for k, v in one._asdict().items()}
            for one in found.seen
        ],
        "disputes": [dispute._asdict() for dispute in found.disputes],
    }


def rates_of(calibration: Calibration, fetch: Fetch) -> ErrorRates:
    """Error rates of a judge, from the held-out half."""
    return Calibrated.of(fetch(calibration)).held_out.rates


def _answers(cells: Iterable[Cell], fetch: Fetch) -> Iterator[tuple[str, GradedLine]]:
    """Every judged answer with the id of its cell, the bare models first."""
    bare: dict[Grades, str] = {
        cell.bare_grades: f"{cell.subject.name} (no adapter)" for cell in cells
    }
    for recipe, name in [*bare.items(), *((cell.grades, cell.id) for cell in cells)]:
        for line in graded_lines(fetch(recipe)):
            yield name, line


def _by(line: GradedLine) -> ByGrader:
    """Both graders' verdicts, which every line has where there is a judge."""
    assert line.by is not None, line.id
    return line.by


def _seen(answers: Sequence[tuple[str, GradedLine]], rates: ErrorRates) -> Iterator[Seen]:
    groups: dict[tuple[str, str], list[GradedLine]] = {}
    for name, line in answers:
        if not line.is_locality:
            groups.setdefault((name, line.kind), []).append(line)
    for (name, kind), lines in groups.items():
        facts = [line.fact for line in lines]
        fuzzy = cluster_bootstrap([float(_by(line).fuzzy) for line in lines], facts)
        judge = cluster_bootstrap([float(_by(line).judge) for line in lines], facts)
        yield Seen(name, kind, fuzzy, judge, corrected(judge, rates))


def _disputes(answers: Sequence[tuple[str, GradedLine]]) -> list[Dispute]:
    """Those of which the judge is surest first."""
    found: dict[tuple[str, ...], Dispute] = {}
    for name, line in answers:
        by, said = _by(line), line.judged[0]
        if by.fuzzy == by.judge and said != UNDECIDED:
            continue
        key = (line.prompt, *line.accepted, line.answer)
        if key in found:
            found[key] = found[key]._replace(cells=(*found[key].cells, name))
            continue
        words = line.prompt, line.answer, " or ".join(line.accepted)
        odds = line.odds[0] if math.isfinite(line.odds[0]) else None
        found[key] = Dispute(line.kind, *words, by.fuzzy, said, odds, (name,))
    return sorted(found.values(), key=lambda one: -abs(one.odds or 0))


def quality_text(found: Calibrated) -> str:
    """All that the labelled pairs tell of a judge: on each half, and beside the fuzzy grader."""
    lines = [
        worth_table(found),
        "",
        f"Beside the fuzzy grader ({found.beside}):",
        "",
        versus_table(found),
        "",
    ]
    return "\n".join(
        [*lines, *(f"{line}  " for line in (contest(found), *warning(found)))]
    ).rstrip()


def worth_table(found: Calibrated) -> str:
    """What a judge is worth on each half of the labelled pairs, and the fuzzy grader on the half
    that is reported."""
    head = ("half", "pairs", "accuracy", "kappa", "false accepts", "false rejects", "undecided")
    halves = (
        ("held out: reported", found.held_out),
        ("calibration: the cut", found.tuned),
        ("held out, by the fuzzy grader", found.fuzzy),
    )
    rows = [
        [
            name,
            w.pairs,
            *map(str, (w.accuracy, w.kappa, w.false_accepts, w.false_rejects)),
            w.undecided,
        ]
        for name, w in halves
    ]
    return str(tabulate(rows, head, "github", disable_numparse=True))


def versus_table(found: Calibrated) -> str:
    """Judge and fuzzy grader on the held-out pairs, all of them and by group."""
    head = (
        "held-out pairs",
        "pairs",
        "accuracy of the judge",
        "of the fuzzy grader",
        "difference",
        "p",
        "which",
    )
    rows = [
        [
            one.group or "all",
            one.pairs,
            *map(str, (one.judge, one.fuzzy)),
            _difference(one),
            f"{one.p:.2g}",
            which,
        ]
        for one in found.versus
        for which in [one.conclusion]
    ]
    return str(tabulate(rows, head, "github", disable_numparse=True))


def _difference(one: Versus) -> str:
    low, high = one.difference.low, one.difference.high
    return f"{one.difference.estimate:+.2f} [{low:+.2f}, {high:+.2f}]"


def _seen_table(seen: Sequence[Seen]) -> str:
    head = ("cell", "kind", "fuzzy", "judge", "judge, corrected")
    rows = [
        [s.cell, s.kind.replace("_", " "), str(s.fuzzy), str(s.judge), str(s.corrected)]
        for s in seen
    ]
    return str(tabulate(rows, head, "github", disable_numparse=True))


def _disputed(disputes: Sequence[Dispute]) -> list[str]:
    words = {True: "right", False: "wrong"}
    head = ("kind", "question", "answer", "right would be", "fuzzy", "judge", "odds", "cells")
    rows = [
        [
            d.kind,
            *told,
            words[d.fuzzy],
            d.judge,
            "" if d.odds is None else f"{d.odds:+.1f}",
            len(d.cells),
        ]
        for d in disputes
        for told in [map(escaped, (d.prompt, d.answer, d.accepted))]
    ]
    return [tabulate(rows, head, "github", disable_numparse=True), ""] if rows else []
