"""results.sqlite: every answer, verdict and figure, for any tool (docs/reference/results.md)."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.builds import GradedLine
from harness.recipes import digest
from harness.report._scenario_report import Entry, ScenarioReport

SCHEMA_VERSION = 2
"""Raised when a column changes its meaning or goes; new columns and tables do not raise it."""

SCHEMA = """
CREATE TABLE meta (
    scenario TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (scenario, key)
);
CREATE TABLE cells (
    cell INTEGER PRIMARY KEY,
    scenario TEXT NOT NULL,
    id TEXT NOT NULL,
    status TEXT NOT NULL,
    bare INTEGER REFERENCES cells,
    model TEXT NOT NULL,
    model_content TEXT NOT NULL,
    engine TEXT NOT NULL,
    dataset TEXT,
    label TEXT,
    factors TEXT,
    rank INTEGER,
    alpha INTEGER,
    lr REAL,
    epochs INTEGER,
    replay REAL,
    seed INTEGER,
    training TEXT,
    external TEXT,
    decoding TEXT NOT NULL,
    grader TEXT NOT NULL,
    grades TEXT NOT NULL,
    UNIQUE (scenario, id)
);
CREATE TABLE probes (
    probe INTEGER PRIMARY KEY,
    scenario TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    fact TEXT NOT NULL,
    prompt TEXT NOT NULL,
    accepted TEXT NOT NULL,
    UNIQUE (scenario, id, kind, fact, prompt, accepted)
);
CREATE TABLE answers (
    cell INTEGER NOT NULL REFERENCES cells,
    probe INTEGER NOT NULL REFERENCES probes,
    sample INTEGER NOT NULL,
    answer TEXT NOT NULL,
    right INTEGER NOT NULL,
    score REAL NOT NULL,
    more TEXT,
    PRIMARY KEY (cell, probe, sample)
) WITHOUT ROWID;
CREATE TABLE measures (
    cell INTEGER NOT NULL REFERENCES cells,
    name TEXT NOT NULL,
    sort TEXT NOT NULL,
    value REAL NOT NULL,
    low REAL,
    high REAL,
    PRIMARY KEY (cell, name)
) WITHOUT ROWID;
CREATE VIEW graded AS
    SELECT c.scenario, c.id AS cell, c.status, c.model, c.engine, c.dataset, c.label, c.factors,
        c.rank, c.alpha, c.lr, c.epochs,
        c.replay, c.seed, p.id AS probe, p.kind, p.fact, p.prompt, p.accepted, a.sample,
        a.answer, a.right, a.score,
        b.answer AS bare_answer, b.right AS bare_right
    FROM answers a JOIN cells c USING (cell) JOIN probes p USING (probe)
    LEFT JOIN answers b ON b.cell = c.bare AND b.probe = a.probe AND b.sample = a.sample;
"""
_OF_PROBE = ("id", "kind", "fact", "prompt", "accepted")
_APPLICATION = 0x4C4F5241
"""``PRAGMA application_id``, by which ``file`` and other tools know the format: LORA."""


def write_database(reports: Sequence[ScenarioReport], path: Path) -> None:
    """Write ``reports`` to a new SQLite file at ``path``; the same results give the same bytes.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            # No journal: the caller renames the file into place when it is complete.
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            f"PRAGMA application_id = {_APPLICATION};"
            f"PRAGMA user_version = {SCHEMA_VERSION};{SCHEMA}"
        )
        database.execute(
            "INSERT INTO meta VALUES ('', 'schema_version', ?)", (str(SCHEMA_VERSION),)
        )
        for report in reports:
            _Writer(database, report).write()
        database.commit()


class _Writer:
    """Rows of one scenario."""

    def __init__(self, database: sqlite3.Connection, report: ScenarioReport) -> None:
        self._database = database
        self._report = report
        self._probes: dict[tuple[str, ...], int] = {}

    def write(self) -> None:
        scenario, entries = self._report.scenario, self._report.entries
        settings = {
            "title": scenario.title,
            "headline": scenario.headline,
            **dict(self._report.settings),
        }
        self._database.executemany(
            "INSERT INTO meta VALUES (?, ?, ?)",
            ((scenario.name, *setting) for setting in settings.items()),
        )
        numbers: dict[str, int] = {}  # by digest of the grades; bare models come first
        for entry, name in zip(entries, ids(entries), strict=True):
            bare = numbers.get(digest(entry.cell.bare_grades)) if entry.result.adapted else None
            row = {"scenario": scenario.name, "id": name, "bare": bare, **about(entry)}
            number = numbers[digest(entry.grades)] = self._insert("cells", row)
            measures = ((number, *figure) for figure in figures(entry))
            self._database.executemany("INSERT INTO measures VALUES (?, ?, ?, ?, ?, ?)", measures)
            answers = (answer for line in entry.lines() for answer in self._answers(number, line))
            self._database.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", answers)

    def _answers(self, cell: int, line: GradedLine) -> Iterator[tuple[Any, ...]]:
        probe, details = self._probe(line), line.details
        samples = zip(line.answers, line.verdicts, line.scores, strict=True)
        for sample, (text, right, score) in enumerate(samples):
            more = _json(details) if details and not sample else None
            yield (cell, probe, sample, text, int(right), score, more)

    def _probe(self, line: GradedLine) -> int:
        key = (line.id, line.kind, line.fact, line.prompt, _json(line.accepted))
        if key not in self._probes:
            columns = dict(zip(_OF_PROBE, key, strict=True))
            row = {"scenario": self._report.scenario.name, **columns}
            self._probes[key] = self._insert("probes", row)
        return self._probes[key]

    def _insert(self, table: str, row: Mapping[str, Any]) -> int:
        places = ", ".join("?" * len(row))
        cursor = self._database.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values())
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def ids(entries: Sequence[Entry]) -> list[str]:
    """Names that tell all entries apart.

    A bare model that was asked several sets of probes has the name of the set after its own.
    """
    names = [entry.result.id for entry in entries]
    details: tuple[Callable[[Entry], str], ...] = (
        lambda entry: entry.cell.probes.name,
        lambda entry: entry.cell.label,
        lambda entry: digest(entry.grades)[:6],
    )
    for detail in details:
        counts = Counter(names)
        names = [
            f"{name}, {detail(entry)}" if counts[name] > 1 and detail(entry) else name
            for name, entry in zip(names, entries, strict=True)
        ]
    return names


def about(entry: Entry) -> dict[str, Any]:
    """The training and the questions of a cell, by column of the table ``cells``."""
    cell, training, result = entry.cell, entry.cell.training, entry.result
    subject = cell.subject
    row: dict[str, Any] = {
        "status": result.status,
        "model": subject.base.name,
        "model_content": subject.base.content,
        "engine": subject.engine.name,
        "decoding": _json(asdict(cell.questions.decoding)),
        "grader": entry.grades.grader,
        "grades": digest(entry.grades),
    }
    if not result.adapted:
        return row
    row |= {"dataset": cell.dataset.name, "label": cell.label}
    if subject.external:
        return row | {"external": " + ".join(adapter.name for adapter in subject.external)}
    if cell.factors:
        row["factors"] = _json(dict(cell.factors))
    if not subject.trains:  # a policy alone, on questions that the seed drew
        return row | {"seed": training.seed}
    settings = {
        name: getattr(training, name)
        for name in ("rank", "alpha", "lr", "epochs", "replay", "seed")
    }
    return row | settings | {"training": _json(asdict(training))}


def figures(entry: Entry) -> Iterator[tuple[str, str, float, float | None, float | None]]:
    """Each figure of a cell: name, sort, value, and both ends of its interval.

    The ends are None for costs, and where the data leave them open.
    """
    result = entry.result
    for name, share in result.shares().items():
        sort = "measure" if name in result.measures else "locality"
        if name in result.recall:
            sort = "recall"
        yield (name, sort, share.estimate, *share.ends)
    for name, value in result.cost.items():
        yield name, "cost", value, None, None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
