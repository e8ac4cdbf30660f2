"""The ledger of a memory: an SQLite file that no crash leaves half written.

It writes ahead (WAL) and waits for the disk at each commit (``synchronous = FULL``): what a call
has returned for is there after a power cut. Several processes may read while one writes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.memory._schema import TABLES, VERSION, statements
from harness.memory.rows import EventRow

FILE = "ledger.sqlite"
_WAIT = 30.0
"""Seconds for which a transaction waits for that of another process."""
UNDONE_BY_USER = ("add", "forget", "correct", "rollup")
"""Events that ``undo`` goes back to. It takes back what followed from them, too."""
Row = sqlite3.Row


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger:
    """The tables of one memory. One instance may be used by several threads.

    Raises StoreError, in one line, where the file cannot be read or written or the disk is full.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        """Open the ledger in ``folder``; ``create`` makes it.

        Raises:
            StoreError: there is none, it is damaged, or another version of the harness made it.
        """
        self.path = folder / FILE
        self._lock = threading.RLock()
        if not create and not self.path.is_file():
            raise StoreError(
                f"no memory at {folder}: make one with `python -m harness memory create {folder}`"
            )
        with self._errors():
            self._connection = sqlite3.connect(
                self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._prepare(create)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, create: bool) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and create:
            with self.transaction():
                for statement in statements():
                    self._connection.execute(statement)
            return
        if version != VERSION:
            raise StoreError(
                f"{self.path} has version {version}, this harness reads {VERSION}: use the version"
                " of the harness that made it"
            )

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        with self._lock, self._errors():
            return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query; None without one."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def write(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement. Returns the number of the row that it inserted.

        Outside of ``transaction`` it is a transaction of its own.
        """
        with self._lock, self._errors():
            return int(self._connection.execute(sql, values).lastrowid or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block are on disk when it ends, or none is."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def event(self, verb: str, detail: str) -> Iterator[int]:
        """A ``transaction`` that ``undo`` can take back. Gives the number of the event.

        A block that changes nothing leaves no event.
        """
        with self.transaction():
            number = self.write(
                "INSERT INTO events (at, verb, detail) VALUES (?, ?, ?)", (now(), verb, detail)
            )
            self.write("UPDATE recording SET event = ?", (number,))
            yield number
            self.write("UPDATE recording SET event = NULL")
            if not self.one("SELECT 1 FROM inverses WHERE event = ? LIMIT 1", (number,)):
                self.write("DELETE FROM events WHERE number = ?", (number,))

    def undo(self) -> EventRow:
        """Take back the last event of ``UNDONE_BY_USER``, and all that came after it.

        What came after it are trainings: their adapters stay in the store, where they are found
        when the passages are learnt again. Turns that were said stay.

        Raises:
            StoreError: there is none.
        """
        marks = ", ".join("?" * len(UNDONE_BY_USER))
        with self.transaction():
            last = self.one(
                f"SELECT * FROM events WHERE verb IN ({marks}) ORDER BY number DESC LIMIT 1",
                UNDONE_BY_USER,
            )
            if last is None:
                raise StoreError(
                    "nothing to undo: nothing was added, corrected, forgotten or rolled up"
                )
            self.write("PRAGMA defer_foreign_keys = ON")
            for inverse in self.rows(
                "SELECT statement FROM inverses WHERE event >= ? ORDER BY number DESC",
                (last["number"],),
            ):
                self.write(inverse["statement"])
            self.write("DELETE FROM inverses WHERE event >= ?", (last["number"],))
            self.write("DELETE FROM events WHERE number >= ?", (last["number"],))
        return EventRow(*last)

    def events(self) -> list[EventRow]:
        """All events that are still recorded, the last first."""
        return [EventRow(*row) for row in self.rows("SELECT * FROM events ORDER BY number DESC")]

    def get(self, name: str) -> str:
        """The value ``name`` of the memory. Raises StoreError where it has none."""
        row = self.one("SELECT value FROM meta WHERE name = ?", (name,))
        if row is None:
            raise StoreError(f"{self.path} says no {name}: it is damaged, restore a copy of it")
        return str(row["value"])

    def put(self, name: str, value: str) -> None:
        """Keep ``value`` as ``name``."""
        self.write(
            "INSERT INTO meta VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def dump(self) -> str:
        """What ``undo`` restores, as JSON lines: all rows of ``TABLES`` by number."""
        lines = []
        with self.transaction():  # so that all tables are of one moment
            for table, columns in TABLES.items():
                names = ", ".join(("number", *columns))
                for row in self.rows(f"SELECT {names} FROM {table} ORDER BY number"):
                    lines.append(json.dumps([table, *row], ensure_ascii=False) + "\n")
        return "".join(lines)

    def check(self) -> list[str]:
        """Faults of the file, one line each; none where it is whole."""
        with self._lock:
            try:
                found = self._connection.execute("PRAGMA integrity_check").fetchall()
                found = [row[0] for row in found if row[0] != "ok"]
                orphans = self._connection.execute("PRAGMA foreign_key_check").fetchall()
            except sqlite3.DatabaseError as error:
                return [f"{self.path}: {error}"]
        faults = [f"{self.path}: {line}" for text in found for line in str(text).splitlines()]
        return [
            *faults,
            *(f"{self.path}: table {row[0]} names a row that is gone" for row in orphans),
        ]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of SQLite as StoreError, in one line with what helps."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            said = str(error)
            if "full" in said:
                advice = "free some space on its disk"
            elif "locked" in said or "busy" in said:
                advice = "another process writes for too long, end it"
            elif "malformed" in said or "not a database" in said:
                advice = "it is damaged, set it aside and restore a copy, or make a new memory"
            elif "readonly" in said or "unable to open" in said:
                advice = "choose a folder that can be written"
            elif "disk I/O" in said:
                advice = "its disk is full or damaged, free some space"
            else:
                raise
            raise StoreError(f"{self.path} cannot be used ({said}): {advice}") from error
