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
from harness.report._judging import Dispute, Judging, agreement, contest, counting, warning
from harness.report._scenario_report import Entry, ScenarioReport
from harness.report.baselines import Change
from harness.stats import Interval

_SHOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in "\\`[]*_~|"}
)


_COSTS = (
    "seconds",
    "steps_per_second",
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
_SETTINGS = ("rank", "alpha", "lr", "epochs", "replay", "seed")
_VERDICTS = {SAME: "1", DIFFER: "0", UNDECIDED: "?"}


def contents(parts: Sequence[ScenarioReport]) -> list[dict[str, Any]]:
    """By scenario: cells with their figures, questions, and who answered what."""
    return [_Contents(part).plain() for part in parts]


class _Contents:
    """One scenario. Questions, sets of questions and texts of answers are numbered, each being kept
    once."""

    def __init__(self, part: ScenarioReport) -> None:
        self._part = part
        self._questions: dict[tuple[str, ...], int] = {}
        self._sets: dict[tuple[int, ...], int] = {}
        self._texts: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def plain(self) -> dict[str, Any]:
        own = self._part.scenario
        entries = self._part.entries
        cells = [self._cell(entry, name) for entry, name in zip(entries, ids(entries), strict=True)]
        judged = {"judge": self._judge(self._part.judging)} if self._part.judging else {}
        return {
            "name": own.name,
            "title": own.title,
            "headline": own.headline,
            "how": self._part.settings,
            "findings": [
                {"title": f.title, "text": f.text.strip(), "summary": f.summary}
                for f in self._part.findings
            ],
            "baseline": self._part.baseline,
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
        cell, own = entry.cell, entry.result
        found = {
            "id": name,
            "status": own.status,
            "adapted": own.adapted,
            "bare": self._numbers.get(digest(cell.bare_grades)) if own.adapted else None,
            "model": cell.subject.base.name,
            "engine": cell.subject.engine.name,
            "figures": {key: _figure(share) for key, share in own.shares().items()},
            "cost": {key: _short(cost) for key, cost in own.cost.items() if key in _COSTS},
        }
        if own.adapted:
            found |= {"dataset": cell.dataset.name, "label": cell.label, **_settings(cell)}
            found |= {"factors": dict(cell.factors)} if cell.factors else {}
        self._numbers[digest(entry.grades)] = len(self._numbers)
        return (
            found
            | self._answers(lines := entry.lines())
            | _beside(entry, lines)
            | _by(entry, lines)
        )

    def _answers(self, lines: Sequence[GradedLine]) -> dict[str, Any]:
        asked = tuple(self._number(line) for line in lines)
        texts = [[self._text(text) for text in line.answers] for line in lines]
        found: dict[str, Any] = {
            "asked": self._sets.setdefault(asked, len(self._sets)),
            "answers": [own[0] if len(own) == 1 else own for own in texts],
            "right": _marks([line.right for line in lines]),
            "scores": [round(line.scores[0]) for line in lines],
        }
        if any(len(own) > 1 for own in texts):
            found["verdicts"] = [_marks(line.verdicts) for line in lines]
        return found

    def _number(self, line: GradedLine) -> int:
        key = (line.id, line.kind, line.fact, line.prompt, *line.accepted)
        return self._questions.setdefault(key, len(self._questions))

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def _judge(self, found: Judging) -> dict[str, Any]:
        """What it is worth, recall by grader, and disputes; cells are numbered here, too."""
        names = dict.fromkeys(
            [
                *(one.cell for one in found.seen),
                *(name for one in found.disputes for name in one.cells),
            ]
        )
        cells = {name: at for at, name in enumerate(names)}
        held = f"On held-out labelled pairs: {found.calibrated.held_out}."
        compared = f"{contest(found.calibrated).capitalize()}."
        return {
            "told": [counting(found), held, compared, *warning(found.calibrated), agreement(found)],
            "cells": list(cells),
            "seen": [
                [
                    cells[s.cell],
                    s.kind,
                    *([_short(end) for end in share] for share in (s.fuzzy, s.judge, s.corrected)),
                ]
                for s in found.seen
            ],
            "disputes": [
                [*self._dispute(one), [cells[name] for name in one.cells]] for one in found.disputes
            ],
        }

    def _dispute(self, one: Dispute) -> list[Any]:
        texts = map(self._text, (one.prompt, one.answer, one.accepted))
        odds = None if one.odds is None else _short(one.odds)
        return [one.kind, *texts, int(one.fuzzy), _VERDICTS[one.judge], odds]


def _beside(entry: Entry, lines: Sequence[GradedLine]) -> dict[str, Any]:
    """What a baseline holds of the same questions (1, 0, or - where it does not), and how the
    figures compare."""
    if entry.before is None or entry.comparison is None:
        return {}
    right = entry.before.right
    was = "".join("01"[right[line.id]] if line.id in right else "-" for line in lines)
    return {"was": was, "changes": [_change(change) for change in entry.comparison.changes]}


def _by(entry: Entry, lines: Sequence[GradedLine]) -> dict[str, Any]:
    """Each grader's verdicts, where there is a judge: a string of them an answer, or one string
    where each has one.

    Where the judge counts, the fuzzy grader's are kept of the first of several answers only: -
    stands for the others.
    """
    if not any(line.judged for line in lines):
        return {}
    judge = ["".join(_VERDICTS[said] for said in line.judged) for line in lines]
    fuzzy = [
        _marks([line.by is not None and line.by.fuzzy]).ljust(len(line.judged), "-")
        for line in lines
    ]
    if entry.grades.grader == BOTH:
        fuzzy = [_marks(line.verdicts) for line in lines]
    single = all(len(own) == 1 for own in judge)
    return {
        "by": {
            name: "".join(own) if single else own
            for name, own in (("fuzzy", fuzzy), ("judge", judge))
        }
    }


def _marks(verdicts: Sequence[bool]) -> str:
    return "".join("01"[bool(one)] for one in verdicts)


def _change(change: Change) -> list[Any]:
    ends = (change.before, change.now, *change.difference)
    tested = (float(f"{change.p:.2g}"), change.worse, len(change.flips), change.gained)
    return [change.measure, *map(_short, ends), *tested]


def _settings(cell: Cell) -> dict[str, Any]:
    """Of the training; of a ready-made adapter only the name is known."""
    if not cell.subject.trains:
        return {"external": " + ".join(adapter.name for adapter in cell.subject.external)}
    return {key: getattr(cell.training, key) for key in _SETTINGS}


def _columns(entries: Sequence[Entry]) -> list[dict[str, str]]:
    """Names of all figures, in the order of the tables: recall, measures, locality, costs."""
    sorts: Mapping[str, list[str]] = {
        "recall": [name for e in entries for name in e.result.recall],
        "measure": [name for e in entries for name in e.result.measures],
        "locality": [
            name
            for e in entries
            for name in ("locality", "retained_accuracy", "known")
            if name in e.result.shares()
        ],
        "cost": [name for name in _COSTS if any(e.result.cost.get(name) for e in entries)],
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
    """Four digits are more than anyone sees."""
    return float(f"{number:.4g}")


_SCRIPTS = ("model.js", "elements.js", "table.js", "scatter.js", "heat.js", "questions.js")
_LAST = "main.js"
"""Draws the page when all of it is known."""


def page(parts: Sequence[ScenarioReport]) -> str:
    """The page as HTML; the same results give the same text.

    Its policy allows its own script and style by their hashes and nothing else, neither a network
    nor whatever an answer might smuggle in. Where no part has a judge, nothing of the judge's is in
    it.
    """
    judged = any(part.judging for part in parts)
    section, own_style, own_script = (
        _file(f"judge.{kind}") if judged else "" for kind in ("html", "css", "js")
    )
    script = "".join([*map(_file, _SCRIPTS), own_script, _file(_LAST)])
    style = _file("page.css") + own_style
    policy = (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; base-uri"
        " 'none'"
    )
    title = parts[0].scenario.title if len(parts) == 1 else "Results"
    held = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "data": _data(parts),
        "script": script,
    }
    held["judge"] = section
    return Template(_file("page.html")).substitute(held)


def _data(parts: Sequence[ScenarioReport]) -> str:
    """JSON that no HTML parser takes for markup: an answer may well say ``</script>``
    or ``<!--``."""
    text = json.dumps({"scenarios": contents(parts)}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _file(name: str) -> str:
    return files("harness.report").joinpath("page", name).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
