"""Queries on a ledger, as rows for people."""

from __future__ import annotations

from typing import Any

import psutil

from harness.memory.ledger import Ledger, Row
from harness.memory.rows import (
    FORGOTTEN,
    LEARNING,
    LEARNT,
    PENDING,
    ROLLED_UP,
    SUPERSEDED,
    AdapterRow,
    DocumentRow,
    EventRow,
    PassageRow,
    Turn,
)

GONE = f"('{SUPERSEDED}', '{FORGOTTEN}')"
"""States of passages that nothing is answered from, for SQL."""
KNOWN = f"('{LEARNT}', '{ROLLED_UP}')"
"""States of passages that an adapter knows, for SQL."""
_PASSAGES = """
SELECT p.*, d.name AS document_name, d.session AS session, w.process AS process
FROM passages p JOIN documents d ON d.number = p.document
LEFT JOIN working w ON w.passage = p.number
"""


def documents(ledger: Ledger) -> list[DocumentRow]:
    """The documents that are kept, in the order in which they were added."""
    rows = ledger.rows(
        f"""
        SELECT d.number, d.name, d.session, d.kind, d.added, count(p.number) AS passages,
          coalesce(sum(p.state IN {KNOWN}), 0) AS learnt,
          coalesce(sum(length(CAST(p.text AS BLOB))), 0) AS bytes
        FROM documents d
        LEFT JOIN passages p ON p.document = d.number AND p.state NOT IN {GONE}
        WHERE d.state = 'kept' GROUP BY d.number ORDER BY d.number
        """
    )
    return [DocumentRow(**dict(row)) for row in rows]


def passages(ledger: Ledger, where: str = "1", values: tuple[Any, ...] = ()) -> list[PassageRow]:
    """The passages for which the SQL condition holds (p: passages, d: documents), in order."""
    sql = f"{_PASSAGES} WHERE {where} ORDER BY p.document, p.place, p.number"
    return [passage(row) for row in ledger.rows(sql, values)]


def passage(row: Row) -> PassageRow:
    """A row of passages, joined to its document."""
    return PassageRow(
        number=row["number"],
        id=row["id"],
        document=row["document_name"],
        session=row["session"],
        place=row["place"],
        text=row["text"],
        heading=row["heading"],
        when=row["said"],
        turns=(row["first"], row["last"]),
        state=LEARNING if _is_learning(row) else row["state"],
        adapter=row["adapter"],
        loss=row["loss"],
        seconds=row["seconds"],
        added=row["added"],
        learnt=row["learnt"],
    )


def _is_learning(row: Row) -> bool:
    """A process that was killed in the middle learns nothing any more."""
    process = row["process"]
    return row["state"] == PENDING and process is not None and psutil.pid_exists(process)


def adapters(ledger: Ledger, where: str = "1", values: tuple[Any, ...] = ()) -> list[AdapterRow]:
    """The adapters for which the SQL condition holds, in the order in which they were made."""
    found = []
    for row in ledger.rows(f"SELECT * FROM adapters WHERE {where} ORDER BY number", values):
        number = row["number"]
        held = ledger.rows(
            "SELECT passage FROM holdings WHERE adapter = ? ORDER BY number", (number,)
        )
        parts = ledger.rows("SELECT part FROM parts WHERE whole = ? ORDER BY number", (number,))
        found.append(
            AdapterRow(
                number=number,
                digest=row["digest"],
                session=row["session"],
                name=row["name"],
                state=row["state"],
                passages=tuple(each["passage"] for each in held),
                parts=tuple(each["part"] for each in parts),
                bytes=row["bytes"],
                loss=row["loss"],
                seconds=row["seconds"],
                steps=row["steps"],
                made=row["made"],
            )
        )
    return found


def turns(ledger: Ledger, session: str, after: int = 0) -> list[Turn]:
    """The turns of ``session`` with a number above ``after``, without forgotten ones."""
    rows = ledger.rows(
        "SELECT session, place, role, text, at FROM turns"
        " WHERE session = ? AND place > ? AND NOT forgotten ORDER BY place",
        (session, after),
    )
    return [Turn(*row) for row in rows]


def sessions(ledger: Ledger) -> list[str]:
    """The sessions that have turns or documents, by name."""
    rows = ledger.rows(
        "SELECT session FROM turns WHERE NOT forgotten"
        " UNION SELECT session FROM documents WHERE state = 'kept' AND session != ''"
        " ORDER BY session"
    )
    return [row["session"] for row in rows]


def counts(ledger: Ledger) -> dict[str, int]:
    """How much there is of each kind, such as ``documents`` and ``passages pending``."""
    found = {
        "documents": "SELECT count(*) FROM documents WHERE state = 'kept'",
        "turns": "SELECT count(*) FROM turns WHERE NOT forgotten",
        "adapter bytes": (
            f"SELECT coalesce(sum(bytes), 0) FROM adapters WHERE state IN ('active', '{ROLLED_UP}')"
        ),
    }
    numbers = {name: int(ledger.rows(sql)[0][0]) for name, sql in found.items()}
    numbers["sessions"] = len(sessions(ledger))
    for table in ("passages", "adapters"):
        rows = ledger.rows(f"SELECT state, count(*) FROM {table} GROUP BY state ORDER BY state")
        numbers |= {f"{table} {state}": count for state, count in rows}
    return numbers


class Views:
    """What a memory shows of itself: queries as methods."""

    ledger: Ledger

    def turns(self, session: str) -> list[Turn]:
        """The turns of ``session``, without forgotten ones."""
        return turns(self.ledger, session)

    def documents(self) -> list[DocumentRow]:
        """The documents that are kept; those of the kind ``turns`` hold turns of a session."""
        return documents(self.ledger)

    def passages(self, document: str = "", state: str = "") -> list[PassageRow]:
        """The passages of ``document`` in ``state``; empty: all."""
        return passages(
            self.ledger,
            "(? = '' OR d.name = ?) AND (? = '' OR p.state = ?)",
            (document, document, state, state),
        )

    def adapters(self) -> list[AdapterRow]:
        """All adapters, in the order in which they were made."""
        return adapters(self.ledger)

    def sessions(self) -> list[str]:
        """The sessions that have turns or documents, by name."""
        return sessions(self.ledger)

    def events(self) -> list[EventRow]:
        """What was changed, the last first."""
        return self.ledger.events()

    def counts(self) -> dict[str, int]:
        """How much there is of each kind."""
        return counts(self.ledger)

    def dump(self) -> str:
        """All that ``undo`` restores, as JSON lines."""
        return self.ledger.dump()
