"""RESULTS.html: one page that needs no network, with every figure and every answer in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

from harness.builds import GradedLine
from harness.experiments.cells import Cell
from harness.grading import BOTH
from harness.grading.calibration import DIFFER, SAME, UNDECIDED
from harness.recipes import digest
from harness.report._database import ids
from harness.report._judging import (
    Dispute,
    Judging,
    Seen,
    agreement,
    contest,
    counting,
    warning,
)
from harness.report._scenario_report import Entry, ScenarioReport
from harness.report.baselines import Change
from harness.stats import Interval

_COSTS = (
    "seconds",
    "steps_per_second",
    "mfu",
    "adapter_bytes",
    "peak_rss_bytes",
    "peak_vram_bytes",
    "tokens_per_second",
    "load_seconds",
    "model_bytes",
    "answering_rss_bytes",
    "answering_vram_bytes",
    "stack_seconds",
)
_LOCAL = ("locality", "retained_accuracy", "known")
_SETTINGS = ("rank", "alpha", "lr", "epochs", "replay", "seed")
_VERDICTS = {SAME: "1", DIFFER: "0", UNDECIDED: "?"}
_SCRIPTS = ("model.js", "elements.js", "table.js", "scatter.js", "heat.js", "questions.js")
_LAST = "main.js"
"""Draws the page, after all other scripts have defined their functions."""


def page(reports: Sequence[ScenarioReport]) -> str:
    """The page as HTML; the same results give the same text.

    Its policy allows its own script and style, by their hashes, and nothing else: no network, and
    no script that an answer may contain. Without a judge nothing of the judge's is in it.
    """
    judged = any(report.judging for report in reports)
    section, judge_style, judge_script = (
        _file(f"judge.{kind}") if judged else "" for kind in ("html", "css", "js")
    )
    script = "".join([*map(_file, _SCRIPTS), judge_script, _file(_LAST)])
    style = _file("page.css") + judge_style
    policy = (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; base-uri"
        " 'none'"
    )
    title = reports[0].scenario.title if len(reports) == 1 else "Results"
    return Template(_file("page.html")).substitute(
        policy=policy,
        title=html.escape(title),
        style=style,
        data=_data(reports),
        script=script,
        judge=section,
    )


def contents(reports: Sequence[ScenarioReport]) -> list[dict[str, Any]]:
    """By scenario: cells with their figures, questions, and who answered what."""
    return [_Contents(report).plain() for report in reports]


class _Contents:
    """One scenario.

    Questions, sets of questions and texts of answers are numbered, and each is held once.
    """

    def __init__(self, report: ScenarioReport) -> None:
        self._report = report
        self._questions: dict[tuple[str, ...], int] = {}
        self._sets: dict[tuple[int, ...], int] = {}
        self._texts: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def plain(self) -> dict[str, Any]:
        report, scenario = self._report, self._report.scenario
        entries = report.entries
        # Cells first: they number the questions, sets and texts that follow.
        cells = [self._cell(entry, name) for entry, name in zip(entries, ids(entries), strict=True)]
        judged = {"judge": self._judge(report.judging)} if report.judging else {}
        return {
            "name": scenario.name,
            "title": scenario.title,
            "headline": scenario.headline,
            "how": report.settings,
            "findings": [
                {"title": finding.title, "text": finding.text.strip(), "summary": finding.summary}
                for finding in report.findings
            ],
            "baseline": report.baseline,
            "columns": _columns(entries),
            "cells": cells,
            **judged,
            "questions": [
                {"id": key, "kind": kind, "fact": fact, "prompt": prompt, "accepted": accepted}
                for key, kind, fact, prompt, *accepted in self._questions
            ],
            "sets": list(self._sets),
            "texts": list(self._texts),
        }

    def _cell(self, entry: Entry, name: str) -> dict[str, Any]:
        cell, result = entry.cell, entry.result
        values = {
            "id": name,
            "status": result.status,
            "adapted": result.adapted,
            "bare": self._numbers.get(digest(cell.bare_grades)) if result.adapted else None,
            "model": cell.subject.base.name,
            "engine": cell.subject.engine.name,
            "figures": {key: _figure(share) for key, share in result.shares().items()},
            "cost": {key: _short(cost) for key, cost in result.cost.items() if key in _COSTS},
        }
        if result.adapted:
            values |= {"dataset": cell.dataset.name, "label": cell.label, **_settings(cell)}
            values |= {"factors": dict(cell.factors)} if cell.factors else {}
        self._numbers[digest(entry.grades)] = len(self._numbers)
        lines = entry.lines()
        return values | self._answers(lines) | _against(entry, lines) | _by_grader(entry, lines)

    def _answers(self, lines: Sequence[GradedLine]) -> dict[str, Any]:
        questions = tuple(self._number(line) for line in lines)
        texts = [[self._text(text) for text in line.answers] for line in lines]
        values: dict[str, Any] = {
            "asked": self._sets.setdefault(questions, len(self._sets)),
            "answers": [numbers[0] if len(numbers) == 1 else numbers for numbers in texts],
            "right": _marks([line.right for line in lines]),
            "scores": [round(line.scores[0]) for line in lines],
        }
        if any(len(numbers) > 1 for numbers in texts):
            values["verdicts"] = [_marks(line.verdicts) for line in lines]
        return values

    def _number(self, line: GradedLine) -> int:
        key = (line.id, line.kind, line.fact, line.prompt, *line.accepted)
        return self._questions.setdefault(key, len(self._questions))

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def _judge(self, judging: Judging) -> dict[str, Any]:
        """Its quality, recall by grader, and disputes; cells are numbered here, too."""
        names = [seen.cell for seen in judging.seen]
        names += [name for dispute in judging.disputes for name in dispute.cells]
        cells = {name: number for number, name in enumerate(dict.fromkeys(names))}
        calibrated = judging.calibrated
        return {
            "sentences": [
                counting(judging),
                f"On held-out labelled pairs: {calibrated.held_out}.",
                f"{contest(calibrated).capitalize()}.",
                *warning(calibrated),
                agreement(judging),
            ],
            "cells": list(cells),
            "seen": [[cells[seen.cell], *_seen(seen)] for seen in judging.seen],
            "disputes": [
                [*self._dispute(dispute), [cells[name] for name in dispute.cells]]
                for dispute in judging.disputes
            ],
        }

    def _dispute(self, dispute: Dispute) -> list[Any]:
        texts = map(self._text, (dispute.prompt, dispute.answer, dispute.accepted))
        odds = None if dispute.odds is None else _short(dispute.odds)
        return [dispute.kind, *texts, int(dispute.fuzzy), _VERDICTS[dispute.judge], odds]


def _seen(seen: Seen) -> list[Any]:
    shares = (seen.fuzzy, seen.judge, seen.corrected)
    return [seen.kind, *([_short(number) for number in share] for share in shares)]


def _against(entry: Entry, lines: Sequence[GradedLine]) -> dict[str, Any]:
    """Verdicts of a baseline on the same questions, and how the figures compare.

    A verdict is 1, 0, or - where the baseline does not have the question.
    """
    if entry.before is None or entry.comparison is None:
        return {}
    right = entry.before.right
    was = "".join("01"[right[line.id]] if line.id in right else "-" for line in lines)
    return {"was": was, "changes": [_change(change) for change in entry.comparison.changes]}


def _by_grader(entry: Entry, lines: Sequence[GradedLine]) -> dict[str, Any]:
    """Each grader's verdicts, where there is a judge.

    They are one string of a verdict for each question, or where a question has several answers a
    list of strings. Where the judge counts, the fuzzy grader's verdict is stored on the first
    answer only; - stands for the others.
    """
    if not any(line.judged for line in lines):
        return {}
    judge = ["".join(_VERDICTS[verdict] for verdict in line.judged) for line in lines]
    if entry.grades.grader == BOTH:
        fuzzy = [_marks(line.verdicts) for line in lines]
    else:
        first = [_marks([line.by is not None and line.by.fuzzy]) for line in lines]
        fuzzy = [mark.ljust(len(marks), "-") for mark, marks in zip(first, judge, strict=True)]
    single = all(len(marks) == 1 for marks in judge)
    return {
        "by": {
            name: "".join(marks) if single else marks
            for name, marks in (("fuzzy", fuzzy), ("judge", judge))
        }
    }


def _marks(verdicts: Sequence[bool]) -> str:
    return "".join("01"[bool(verdict)] for verdict in verdicts)


def _change(change: Change) -> list[Any]:
    shares = (change.before, change.now, *change.difference)
    test = (float(f"{change.p:.2g}"), change.worse, len(change.flips), change.gained)
    return [change.measure, *map(_short, shares), *test]


def _settings(cell: Cell) -> dict[str, Any]:
    """Settings of the training; of an external adapter only the name is known."""
    if not cell.subject.adapters:
        return {"seed": cell.training.seed}  # a policy alone, on questions that the seed drew
    if not cell.subject.trains:
        return {"external": " + ".join(adapter.name for adapter in cell.subject.external)}
    return {key: getattr(cell.training, key) for key in _SETTINGS}


def _columns(entries: Sequence[Entry]) -> list[dict[str, str]]:
    """Names of all figures, in the order of the tables: recall, measures, locality, costs."""
    results = [entry.result for entry in entries]
    sorts: Mapping[str, list[str]] = {
        "recall": [name for result in results for name in result.recall],
        "measure": [name for result in results for name in result.measures],
        "locality": [name for result in results for name in _LOCAL if name in result.shares()],
        "cost": [name for name in _COSTS if any(result.cost.get(name) for result in results)],
    }
    return [
        {"name": name, "sort": sort}
        for sort, names in sorts.items()
        for name in dict.fromkeys(names)
    ]


def _figure(share: Interval) -> list[float]:
    """The estimate, and the ends of its interval where it has some."""
    return [_short(number) for number in (share.estimate, *share.ends) if number is not None]


def _short(number: float) -> float:
    """Four digits: more than the page shows."""
    return float(f"{number:.4g}")


def _data(reports: Sequence[ScenarioReport]) -> str:
    """JSON without ``<``: an answer may contain ``</script>`` or ``<!--``."""
    text = json.dumps({"scenarios": contents(reports)}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _file(name: str) -> str:
    return files("harness.report").joinpath("page", name).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
