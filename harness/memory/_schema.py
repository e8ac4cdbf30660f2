"""The tables of a memory's ledger, and the triggers that record how to take a change back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

VERSION = 1
"""``user_version`` of the file. Raise it when a table changes."""

TABLES: Mapping[str, tuple[str, ...]] = {
    "documents": ("name", "session", "kind", "content", "state", "added"),
    "passages": (
        "id",
        "document",
        "place",
        "text",
        "heading",
        "said",
        "first",
        "last",
        "state",
        "adapter",
        "loss",
        "seconds",
        "added",
        "learnt",
    ),
    "turns": ("session", "place", "role", "text", "at", "forgotten"),
    "adapters": (
        "digest",
        "session",
        "name",
        "state",
        "recipe",
        "bytes",
        "loss",
        "seconds",
        "steps",
        "made",
    ),
    "holdings": ("adapter", "passage"),
    "parts": ("whole", "part"),
}
"""What ``undo`` restores: the columns of each table beside its key, ``number``."""

_CREATE = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  session TEXT NOT NULL,     -- empty: for all sessions
  kind TEXT NOT NULL,        -- text, chat, or turns
  content TEXT NOT NULL,     -- digest of the text
  state TEXT NOT NULL,       -- kept or forgotten
  added TEXT NOT NULL,
  UNIQUE (name, session)
);
CREATE TABLE passages (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL,          -- digest of text and heading
  document INTEGER NOT NULL REFERENCES documents (number),
  place INTEGER NOT NULL,
  text TEXT NOT NULL,
  heading TEXT NOT NULL,
  said TEXT NOT NULL,        -- when it was said
  first INTEGER NOT NULL DEFAULT 0, -- the turns of its session that it holds; 0: none
  last INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL,
  adapter INTEGER REFERENCES adapters (number),
  loss REAL,
  seconds REAL,
  added TEXT NOT NULL,
  learnt TEXT NOT NULL
);
CREATE INDEX passages_by_document ON passages (document, state);
CREATE INDEX passages_by_state ON passages (state);
CREATE TABLE turns (
  number INTEGER PRIMARY KEY,
  session TEXT NOT NULL,
  place INTEGER NOT NULL,    -- within its session, from 1
  role TEXT NOT NULL,
  text TEXT NOT NULL,
  at TEXT NOT NULL,
  forgotten INTEGER NOT NULL DEFAULT 0,
  UNIQUE (session, place)
);
CREATE TABLE adapters (
  number INTEGER PRIMARY KEY,
  digest TEXT NOT NULL,      -- its name in the store
  session TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  recipe TEXT NOT NULL,      -- JSON from which the recipe is made again
  bytes INTEGER NOT NULL,
  loss REAL,
  seconds REAL NOT NULL,
  steps INTEGER NOT NULL,
  made TEXT NOT NULL
);
CREATE TABLE holdings (      -- which passages an adapter was trained on
  number INTEGER PRIMARY KEY,
  adapter INTEGER NOT NULL REFERENCES adapters (number),
  passage TEXT NOT NULL,     -- id of the passage
  UNIQUE (adapter, passage)
);
CREATE TABLE parts (         -- which adapters a roll-up was made from
  number INTEGER PRIMARY KEY,
  whole INTEGER NOT NULL REFERENCES adapters (number),
  part INTEGER NOT NULL REFERENCES adapters (number),
  UNIQUE (whole, part)
);
CREATE TABLE events (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  verb TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE TABLE inverses (      -- statements that take an event back, to be run from the last on
  number INTEGER PRIMARY KEY,
  event INTEGER NOT NULL REFERENCES events (number),
  statement TEXT NOT NULL
);
CREATE INDEX inverses_by_event ON inverses (event);
CREATE TABLE working (       -- what a process learns now; no part of what undo restores
  passage INTEGER PRIMARY KEY,
  process INTEGER NOT NULL
);
CREATE TABLE recording (event INTEGER); -- the event of this transaction; null outside of one
INSERT INTO recording VALUES (NULL);
"""


def statements() -> Iterator[str]:
    """SQL that makes an empty ledger, to be run in one transaction."""
    lines = (line.partition("--")[0] for line in _CREATE.splitlines())
    yield from (part for part in "\n".join(lines).split(";") if part.strip())
    for table, columns in TABLES.items():
        yield from _triggers(table, columns)
    yield f"PRAGMA user_version = {VERSION}"


def _triggers(table: str, columns: tuple[str, ...]) -> Iterator[str]:
    """Each change of a row, while an event is recorded, adds the statement that reverts it.

    As in https://sqlite.org/undoredo.html.
    """
    old = " || ',' || ".join(f"quote(OLD.{name})" for name in columns)
    assigned = " || ',' || ".join(f"'{name} = ' || quote(OLD.{name})" for name in columns)
    names = ", ".join(("number", *columns))
    inverses = {
        "INSERT": f"'DELETE FROM {table} WHERE number = ' || NEW.number",
        "UPDATE": f"'UPDATE {table} SET ' || {assigned} || ' WHERE number = ' || OLD.number",
        "DELETE": f"'INSERT INTO {table} ({names}) VALUES (' || OLD.number || ',' || {old} || ')'",
    }
    for change, inverse in inverses.items():
        yield (
            f"CREATE TRIGGER {table}_{change.lower()} AFTER {change} ON {table}"
            " WHEN (SELECT event FROM recording) IS NOT NULL BEGIN"
            " INSERT INTO inverses (event, statement)"
            f" SELECT event, {inverse} FROM recording; END"
        )
