"""results.sqlite: every answer, verdict and figure, for any tool (docs/reference/results.md)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
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
_MARK = 0x4C4F5241
"""``PRAGMA application_id``, by which ``file`` and the like know the format: LORA."""


def write_database(parts: Sequence[ScenarioReport], path: Path) -> None:
    """The results of ``parts`` as a new SQLite file at ``path``, where none is yet; the same ones
    give the same bytes.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            # the caller renames it into place once it is whole
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            f"PRAGMA application_id = {_MARK}; PRAGMA user_version = {SCHEMA_VERSION};{SCHEMA}"
        )
        database.execute(
            "INSERT INTO meta VALUES ('', 'schema_version', ?)", (str(SCHEMA_VERSION),)
        )
        for part in parts:
            _Writer(database, part).write()
        database.commit()


class _Writer:
    """Rows of one scenario."""

    def __init__(self, database: sqlite3.Connection, part: ScenarioReport) -> None:
        self._database = database
        self._part = part
        self._probes: dict[tuple[str, ...], int] = {}

    def write(self) -> None:
        name, own = self._part.scenario.name, self._part
        settings = {
            "title": own.scenario.title,
            "headline": own.scenario.headline,
            **dict(own.settings),
        }
        self._database.executemany(
            "INSERT INTO meta VALUES (?, ?, ?)", ((name, *pair) for pair in settings.items())
        )
        numbers: dict[str, int] = {}
        for entry, label in zip(own.entries, ids(own.entries), strict=True):
            bare = numbers.get(digest(entry.cell.bare_grades)) if entry.result.adapted else None
            row = {"scenario": name, "id": label, "bare": bare, **about(entry)}
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
            row = {"scenario": self._part.scenario.name, **dict(zip(_OF_PROBE, key, strict=True))}
            self._probes[key] = self._insert("probes", row)
        return self._probes[key]

    def _insert(self, table: str, row: Mapping[str, Any]) -> int:
        marks = ", ".join("?" * len(row))
        cursor = self._database.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def ids(entries: Sequence[Entry]) -> list[str]:
    """Names that tell all entries apart: a bare model that was asked several times bears what it
    was asked."""
    names = [entry.result.id for entry in entries]
    for tell in (
        lambda e: e.cell.probes.name,
        lambda e: e.cell.label,
        lambda e: digest(e.grades)[:6],
    ):
        twice = {name for name in names if names.count(name) > 1}
        names = [
            f"{name}, {tell(entry)}" if name in twice and tell(entry) else name
            for name, entry in zip(names, entries, strict=True)
        ]
    return names


def about(entry: Entry) -> dict[str, Any]:
    """What a cell was made with and how it was asked, by column of the table ``cells``."""
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
    settings = {
        name: getattr(training, name)
        for name in ("rank", "alpha", "lr", "epochs", "replay", "seed")
    }
    return row | settings | {"training": _json(asdict(training))}


def figures(entry: Entry) -> Iterator[tuple[str, str, float, float | None, float | None]]:
    """Each figure of a cell as name, sort, value and the ends of its interval, which costs and open
    ones have not."""
    own = entry.result
    for name, share in own.shares().items():
        sort = "recall" if name in own.recall else "measure" if name in own.measures else "locality"
        yield (name, sort, share.estimate, *share.ends)
    for name, value in own.cost.items():
        yield name, "cost", value, None, None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
