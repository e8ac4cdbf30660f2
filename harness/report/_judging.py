"""A judge beside the fuzzy grader: its quality, how far the two agree, and their disputes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from harness.builds import ByGrader, Calibrated, GradedLine, graded_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Fetch
from harness.grading import JUDGE
from harness.grading.calibration import UNDECIDED, Versus
from harness.recipes import Calibration, Grades
from harness.report._tables import escaped, markdown_table, signed, words
from harness.stats import (
    ErrorRates,
    Interval,
    McNemar,
    cluster_bootstrap,
    kappa,
    mcnemar,
    rogan_gladen,
)

_CUT = """\
The cut between *same* and *differ* was chosen on one half of the labelled pairs. The quality of the
judge was measured on the other half. Cut: {cut:.2f}."""
_SAME_PAIRS = """\
The fuzzy grader was measured on the same held-out pairs. The p-values are those of a paired test
by accepted answer (wild cluster bootstrap), adjusted over the groups by Holm's method."""
_DISPUTES_SHOWN = 40  # disputes in RESULTS.md; RESULTS.json has all


class Dispute(NamedTuple):
    """An answer on which the graders disagree, or the judge is undecided.

    It is listed once, also where several cells gave it.
    """

    kind: str
    prompt: str
    answer: str
    accepted: str
    fuzzy: bool
    judge: str
    """``same``, ``differ`` or ``undecided``."""
    odds: float | None
    """How sure the judge is: nats (or votes) above its cut; None where that is not finite."""
    cells: tuple[str, ...]


class Seen(NamedTuple):
    """One kind of recall of one cell, by the verdicts of each grader."""

    cell: str
    kind: str
    fuzzy: Interval
    judge: Interval
    corrected: Interval
    """The judge's, corrected for its known error rates."""


class Judging(NamedTuple):
    """The judge of one scenario's cells."""

    name: str
    grader: str
    calibrated: Calibrated
    answers: int
    """Distinct answers that were judged: equal answers to one question count once."""
    kappa: Interval
    """Of the judge with the fuzzy grader."""
    mcnemar: McNemar
    """Fuzzy as *before*, the judge as *after*."""
    undecided: int
    seen: tuple[Seen, ...]
    disputes: tuple[Dispute, ...]


def corrected(share: Interval, rates: ErrorRates) -> Interval:
    """``share`` corrected for the judge's error rates (Rogan & Gladen 1978).

    Of a judge that is no better than chance, it is only known to lie between 0 and 1.
    """
    if rates.sensitivity + rates.specificity <= 1:
        return Interval(share.estimate, 0.0, 1.0)
    return rogan_gladen(share, rates)


def judging(cells: Sequence[Cell], fetch: Fetch) -> Judging | None:
    """The judge of ``cells``; None where there is none."""
    calibration = cells[0].grading.calibration
    if calibration is None:
        return None
    calibrated = Calibrated.of(fetch(calibration))
    answers = list(_answers(cells, fetch))
    distinct = {(line.prompt, *line.accepted, line.answer): line for _, line in answers}
    lines = list(distinct.values())
    fuzzy = [_by(line).fuzzy for line in lines]
    judge = [_by(line).judge for line in lines]
    return Judging(
        name=calibration.judge.name,
        grader=cells[0].grading.grader,
        calibrated=calibrated,
        answers=len(lines),
        kappa=kappa(fuzzy, judge, [line.fact for line in lines]),
        mcnemar=mcnemar(fuzzy, judge),
        undecided=sum(line.judged[0] == UNDECIDED for line in lines),
        seen=tuple(_seen(answers, calibrated.held_out.rates)),
        disputes=tuple(_disputes(answers)),
    )


def rates_of(calibration: Calibration, fetch: Fetch) -> ErrorRates:
    """Error rates of a judge, from the held-out half."""
    return Calibrated.of(fetch(calibration)).held_out.rates


def summary(name: str, calibrated: Calibrated) -> str:
    """A calibration for terminals: the judge's quality, which grader is better, and warnings."""
    return "\n".join(
        [
            f"judge {name} (by {calibrated.by}) on held-out labelled pairs: {calibrated.held_out}",
            contest(calibrated),
            *warning(calibrated),
        ]
    )


def contest(calibrated: Calibrated) -> str:
    """The judge beside the fuzzy grader on all held-out pairs, in one line."""
    versus = calibrated.versus[0]
    return (
        f"on the same {versus.pairs} pairs: accuracy of the judge {versus.judge}, of the fuzzy"
        f" grader {versus.fuzzy}, difference {signed(versus.difference, 2)}, p {versus.p:.2g}:"
        f" {versus.conclusion}"
    )


def warning(calibrated: Calibrated) -> list[str]:
    """One line where the judge's verdicts are not to be relied on; else none."""
    if not calibrated.doubts:
        return []
    doubts = "; ".join(calibrated.doubts)
    return [f"WARNING: verdicts of this judge are not to be relied on: {doubts}"]


def counting(judging: Judging) -> str:
    """Who judges, and whose verdicts count."""
    judge = f"Judge: {judging.name}, by {judging.calibrated.by}."
    if judging.grader == JUDGE:
        return (
            f"{judge} The tables show the judge's verdicts; recall is corrected for the judge's"
            " error rates."
        )
    return f"{judge} The tables show the fuzzy grader's verdicts."


def agreement(judging: Judging) -> str:
    """How far the two graders agree, in three lines."""
    changed = judging.mcnemar
    return "\n".join(
        [
            f"On {judging.answers} distinct answers the judge agrees with the fuzzy grader with"
            f" kappa {judging.kappa}:",
            f"{changed.gained} are right for the judge only, {changed.lost} for the fuzzy grader"
            " only",
            f"(McNemar's exact p {changed.p:.2g}); undecided, which counts as not right:"
            f" {judging.undecided}.",
        ]
    )


def judging_markdown(judging: Judging, level: str) -> list[str]:
    """Lines of the judge's chapter in RESULTS.md; ``level`` is its heading's ``#`` marks."""
    calibrated, disputes = judging.calibrated, judging.disputes
    shown = disputes[:_DISPUTES_SHOWN]
    more = f", {len(shown)} of them here, all in RESULTS.json" if len(shown) < len(disputes) else ""
    return [
        f"{level} The judge",
        "",
        counting(judging),
        _CUT.format(cut=calibrated.cut),
        "",
        quality_table(calibrated),
        "",
        _SAME_PAIRS,
        "",
        versus_table(calibrated),
        "",
        *(f"{sentence}." for sentence in (contest(calibrated), *warning(calibrated))),
        "",
        agreement(judging),
        "",
        _seen_table(judging.seen),
        "",
        f"{level}# Where the graders disagree",
        "",
        f"{len(disputes)} answers{more}.",
        "",
        *([_disputes_table(shown), ""] if shown else []),
    ]


def judging_plain(judging: Judging) -> dict[str, Any]:
    """``judging`` as JSON has it."""
    calibrated = judging.calibrated
    halves = {name: getattr(calibrated, name).plain() for name in ("tuned", "held_out", "fuzzy")}
    return {
        **judging._asdict(),
        "by": calibrated.by,
        "calibrated": {
            "cut": calibrated.cut,
            **halves,
            "versus": [versus.plain() for versus in calibrated.versus],
            "doubts": list(calibrated.doubts),
        },
        "kappa": judging.kappa._asdict(),
        "mcnemar": judging.mcnemar._asdict(),
        "seen": [_seen_plain(seen) for seen in judging.seen],
        "disputes": [dispute._asdict() for dispute in judging.disputes],
    }


def quality_text(calibrated: Calibrated) -> str:
    """What the labelled pairs say about a judge: on each half, and beside the fuzzy grader."""
    sentences = (contest(calibrated), *warning(calibrated))
    lines = [
        quality_table(calibrated),
        "",
        f"Beside the fuzzy grader ({calibrated.beside}):",
        "",
        versus_table(calibrated),
        "",
        *(f"{sentence}  " for sentence in sentences),
    ]
    return "\n".join(lines).rstrip()


def quality_table(calibrated: Calibrated) -> str:
    """The judge on each half of the labelled pairs, and the fuzzy grader on the reported half."""
    head = ("half", "pairs", "accuracy", "kappa", "false accepts", "false rejects", "undecided")
    halves = (
        ("held out: reported", calibrated.held_out),
        ("calibration: the cut", calibrated.tuned),
        ("held out, by the fuzzy grader", calibrated.fuzzy),
    )
    rows = []
    for name, half in halves:
        shares = (half.accuracy, half.kappa, half.false_accepts, half.false_rejects)
        rows.append([name, half.pairs, *shares, half.undecided])
    return markdown_table(head, rows)


def versus_table(calibrated: Calibrated) -> str:
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
    return markdown_table(head, [_versus_row(versus) for versus in calibrated.versus])


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
    disputes: dict[tuple[str, ...], Dispute] = {}
    for name, line in answers:
        by, verdict = _by(line), line.judged[0]
        if by.fuzzy == by.judge and verdict != UNDECIDED:
            continue
        key = (line.prompt, *line.accepted, line.answer)
        if key in disputes:
            disputes[key] = disputes[key]._replace(cells=(*disputes[key].cells, name))
            continue
        disputes[key] = Dispute(
            kind=line.kind,
            prompt=line.prompt,
            answer=line.answer,
            accepted=" or ".join(line.accepted),
            fuzzy=by.fuzzy,
            judge=verdict,
            odds=line.odds[0] if math.isfinite(line.odds[0]) else None,
            cells=(name,),
        )
    return sorted(disputes.values(), key=lambda dispute: -abs(dispute.odds or 0))


def _seen_plain(seen: Seen) -> dict[str, Any]:
    values = seen._asdict()
    return {
        name: value._asdict() if isinstance(value, Interval) else value
        for name, value in values.items()
    }


def _versus_row(versus: Versus) -> list[object]:
    return [
        versus.group or "all",
        versus.pairs,
        versus.judge,
        versus.fuzzy,
        signed(versus.difference, 2),
        f"{versus.p:.2g}",
        versus.conclusion,
    ]


def _seen_table(seen: Sequence[Seen]) -> str:
    head = ("cell", "kind", "fuzzy", "judge", "judge, corrected")
    rows = [[row.cell, words(row.kind), row.fuzzy, row.judge, row.corrected] for row in seen]
    return markdown_table(head, rows)


def _disputes_table(disputes: Sequence[Dispute]) -> str:
    head = ("kind", "question", "answer", "right answer", "fuzzy", "judge", "odds", "cells")
    rows = [
        [
            dispute.kind,
            *map(escaped, (dispute.prompt, dispute.answer, dispute.accepted)),
            "right" if dispute.fuzzy else "wrong",
            dispute.judge,
            "" if dispute.odds is None else f"{dispute.odds:+.1f}",
            len(dispute.cells),
        ]
        for dispute in disputes
    ]
    return markdown_table(head, rows)
