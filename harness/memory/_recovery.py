"""What can be saved of a damaged ledger goes into a new one; the damaged one is set aside."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.memory._schema import TABLES
from harness.memory.ledger import FILE, Ledger

COPY = "memory.json"
"""The ledger's table ``meta`` once more, without which no other row would be of use."""
_ASIDE = "aside"
_ENDINGS = ("", "-wal", "-shm")


def write_copy(folder: Path, ledger: Ledger) -> None:
    """Keep the table ``meta`` in a file of its own."""
    values = dict(tuple(row) for row in ledger.rows("SELECT name, value FROM meta ORDER BY name"))
    beside = folder / f"{COPY}.new"
    try:
        beside.write_text(json.dumps(values, indent=1), encoding="utf-8")
        beside.replace(folder / COPY)
    except OSError as error:
        raise StoreError(
            f"{folder / COPY} cannot be written ({error.strerror}): free some space"
        ) from error


def recover(folder: Path) -> list[str]:
    """Where the ledger in ``folder`` is damaged, make a new one of what can be read of it.

    Returns what was done, one line each; nothing where the ledger is whole. The caller has the
    lock. What came of trainings is in the store, and is found there when passages are learnt again.

    Raises:
        StoreError: there is no ledger, or neither it nor its copy says which base it is of.
    """
    damage = _damage(folder)
    if not damage:
        return []
    aside = folder / _ASIDE / f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    aside.mkdir(parents=True)
    meta = {**_copied(folder), **_meta(folder / FILE)}
    if "base" not in meta:
        raise StoreError(
            f"{folder / FILE} is damaged, and {COPY} does not say of which base it is: restore a"
            " copy of either"
        )
    for ending in _ENDINGS:
        with suppress(FileNotFoundError):
            (folder / f"{FILE}{ending}").rename(aside / f"{FILE}{ending}")
    ledger = Ledger(folder, create=True)
    saved: dict[str, int] = {}
    try:
        with ledger.transaction():
            for name, value in meta.items():
                ledger.put(name, value)
            ledger.write("PRAGMA defer_foreign_keys = ON")
            for table, columns in TABLES.items():
                rows = _readable(aside / FILE, table, ("number", *columns))
                saved[table] = _insert(ledger, table, ("number", *columns), rows)
            _drop_orphans(ledger)
        write_copy(folder, ledger)
    finally:
        ledger.close()
    counts = ", ".join(f"{count} {table}" for table, count in saved.items() if table in _TOLD)
    return [f"{damage}: set aside in {aside}; saved were {counts}"]


_TOLD = ("documents", "passages", "turns", "adapters")
_REFERENCES = (
    ("passages", "document", "documents"),
    ("holdings", "adapter", "adapters"),
    ("parts", "whole", "adapters"),
    ("parts", "part", "adapters"),
)


def _damage(folder: Path) -> str:
    """What is wrong with the ledger; empty where nothing is. Raises StoreError without one."""
    if not (folder / FILE).is_file():
        Ledger(folder)  # says so
    try:
        ledger = Ledger(folder)
    except StoreError as error:
        return str(error).partition(": ")[0]
    try:
        faults = ledger.check()
        return faults[0] if faults else ""
    finally:
        ledger.close()


def _readable(file: Path, table: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The rows of ``table`` before and behind the damage."""
    found: dict[int, tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
            try:
                names = ", ".join(columns)
                # through the table itself: an index may be what is damaged
                sql = f"SELECT {names} FROM {table} NOT INDEXED ORDER BY number {order}"
                for row in connection.execute(sql):
                    if isinstance(row[0], int):
                        found[row[0]] = row
            finally:
                connection.close()
    return [found[number] for number in sorted(found)]


def _insert(
    ledger: Ledger, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> int:
    marks = ", ".join("?" * len(columns))
    count = 0
    for row in rows:
        with suppress(sqlite3.Error):  # a row of a damaged page may break the table's rules
            ledger.write(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", row)
            count += 1
    return count


def _drop_orphans(ledger: Ledger) -> None:
    """Remove rows that name a row which is lost; passages whose adapter is, are pending."""
    for table, column, other in _REFERENCES:
        ledger.write(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT number FROM {other})")
    ledger.write(
        "UPDATE passages SET adapter = NULL WHERE adapter NOT IN (SELECT number FROM adapters)"
    )


def _meta(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with suppress(sqlite3.DatabaseError):
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            for name, value in connection.execute("SELECT name, value FROM meta"):
                found[str(name)] = str(value)
        finally:
            connection.close()
    return found


def _copied(folder: Path) -> dict[str, str]:
    try:
        values = json.loads((folder / COPY).read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in values.items()}
    except (OSError, ValueError, AttributeError):
        return {}
