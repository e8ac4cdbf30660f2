"""Adding and forgetting: which passages are new, and which adapters know too much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.errors import DataError
from harness.memory._views import GONE, KNOWN, adapters, passages, sessions
from harness.memory.ledger import Ledger, now
from harness.memory.passages import Passage
from harness.memory.rows import (
    ACTIVE,
    FORGOTTEN,
    LEARNT,
    PENDING,
    ROLLED_UP,
    SUPERSEDED,
    AdapterRow,
    Added,
    Forgotten,
    PassageRow,
)

_PREFIX = 6
"""The fewest characters of a passage's id that name it."""
_HELD = "session = ? AND place BETWEEN ? AND ? AND NOT forgotten"
"""The turns that a passage holds, for SQL."""


class _Retired(NamedTuple):
    adapters: int
    relearnt: int


def add(
    ledger: Ledger, name: str, session: str, kind: str, content: str, pieces: Sequence[Passage]
) -> Added:
    """Make the document ``name`` of ``session`` consist of ``pieces``. Needs an open event.

    A passage with the same text and heading as before stays as it is, wherever it stands now. One
    that is no longer there is superseded, and no adapter that knows it is put on any more.
    """
    row = ledger.one("SELECT * FROM documents WHERE name = ? AND session = ?", (name, session))
    if row is None:
        number = ledger.write(
            "INSERT INTO documents (name, session, kind, content, state, added)"
            " VALUES (?, ?, ?, ?, 'kept', ?)",
            (name, session, kind, content, now()),
        )
    else:
        number = row["number"]
        if row["content"] != content or row["state"] != "kept":
            ledger.write(
                "UPDATE documents SET kind = ?, content = ?, state = 'kept', added = ?"
                " WHERE number = ?",
                (kind, content, now(), number),
            )
    before: dict[str, list[int]] = {}
    places: dict[int, int] = {}
    for old in ledger.rows(
        f"SELECT number, id, place FROM passages WHERE document = ? AND state NOT IN {GONE}"
        " ORDER BY place",
        (number,),
    ):
        before.setdefault(old["id"], []).append(old["number"])
        places[old["number"]] = old["place"]
    new = unchanged = 0
    for place, piece in enumerate(pieces):
        if same := before.get(piece.id):
            kept = same.pop(0)
            unchanged += 1
            if places[kept] != place:
                ledger.write("UPDATE passages SET place = ? WHERE number = ?", (place, kept))
            continue
        new += 1
        insert(ledger, number, session, place, piece)
    gone = [each for numbers in before.values() for each in numbers]
    for each in gone:
        ledger.write("UPDATE passages SET state = ? WHERE number = ?", (SUPERSEDED, each))
    if gone:
        retire(ledger, session)
    return Added(name, new, unchanged, len(gone))


def insert(
    ledger: Ledger,
    document: int,
    session: str,
    place: int,
    piece: Passage,
    turns: tuple[int, int] = (0, 0),
) -> int:
    """A new passage, and the first and last of the ``turns`` that it holds.

    Where the session knows the same text already, it is learnt already.
    """
    twin = ledger.one(
        "SELECT p.* FROM passages p JOIN documents d ON d.number = p.document"
        f" WHERE p.id = ? AND d.session = ? AND p.state IN {KNOWN} LIMIT 1",
        (piece.id, session),
    )
    state, adapter, loss, seconds, learnt = (
        (twin["state"], twin["adapter"], twin["loss"], twin["seconds"], twin["learnt"])
        if twin
        else (PENDING, None, None, None, "")
    )
    return ledger.write(
        "INSERT INTO passages (id, document, place, text, heading, said, first, last, state,"
        " adapter, loss, seconds, added, learnt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            piece.id,
            document,
            place,
            piece.text,
            piece.heading,
            piece.when,
            *turns,
            state,
            adapter,
            loss,
            seconds,
            now(),
            learnt,
        ),
    )


def forget(ledger: Ledger, what: str, session: str | None) -> Forgotten:
    """Forget a document by its name, a session, or a passage by its id. Needs an open event.

    ``session`` says of which session (empty: of all sessions) where several have the document.

    Raises:
        DataError: there is no such thing, or more than one.
    """
    named = ledger.rows(
        "SELECT number, session FROM documents WHERE name = ? AND state = 'kept'", (what,)
    )
    if session is not None:
        named = [row for row in named if row["session"] == session]
    if len(named) > 1:
        where = ", ".join(repr(row["session"]) for row in named)
        raise DataError(f"several documents are called {what!r}: name the session of {where}")
    if named:
        return _forget_documents(ledger, what, [named[0]["number"]], named[0]["session"], 0)
    if what and what in sessions(ledger):
        said = ledger.rows("SELECT number FROM turns WHERE session = ? AND NOT forgotten", (what,))
        ledger.write("UPDATE turns SET forgotten = 1 WHERE session = ? AND NOT forgotten", (what,))
        rows = ledger.rows(
            "SELECT number FROM documents WHERE session = ? AND state = 'kept'", (what,)
        )
        return _forget_documents(ledger, what, [row["number"] for row in rows], what, len(said))
    return _forget_passage(ledger, what)


def correct(ledger: Ledger, what: str, text: str) -> Added:
    """Put ``text`` in the place of a passage. Needs an open event. Raises DataError."""
    found = _passages_named(ledger, what)
    new = 0
    for row in found:
        (document,) = ledger.rows("SELECT document FROM passages WHERE number = ?", (row.number,))
        ledger.write("UPDATE passages SET state = ? WHERE number = ?", (SUPERSEDED, row.number))
        piece = Passage(text, row.document, row.place, row.heading, row.when)
        insert(ledger, document["document"], row.session, row.place, piece, row.turns)
        new += 1
    for session in sorted({row.session for row in found}):
        retire(ledger, session)
    return Added(found[0].document, new, 0, len(found))


def _forget_documents(
    ledger: Ledger, what: str, numbers: Iterable[int], session: str, turns: int
) -> Forgotten:
    count = 0
    for number in numbers:
        rows = ledger.rows(
            f"SELECT number FROM passages WHERE document = ? AND state NOT IN {GONE}", (number,)
        )
        count += len(rows)
        ledger.write(
            f"UPDATE passages SET state = ? WHERE document = ? AND state NOT IN {GONE}",
            (FORGOTTEN, number),
        )
        ledger.write("UPDATE documents SET state = ? WHERE number = ?", (FORGOTTEN, number))
    retired = retire(ledger, session)
    return Forgotten(what, count, turns, retired.adapters, retired.relearnt)


def _passages_named(ledger: Ledger, what: str) -> list[PassageRow]:
    """The passages with an id that begins like ``what``. Raises DataError."""
    found = passages(ledger, f"p.id LIKE ? AND p.state NOT IN {GONE}", (f"{what}%",))
    if len(what) < _PREFIX or not what.isalnum() or not found:
        raise DataError(
            f"{what!r} is no document, session or passage of this memory: `memory ls` lists them"
            f" (a passage by {_PREFIX} or more characters of its id)"
        )
    if len({row.id for row in found}) > 1:
        raise DataError(f"{what!r} begins the ids of {len(found)} passages: give more of one")
    return found


def _forget_passage(ledger: Ledger, what: str) -> Forgotten:
    found = _passages_named(ledger, what)
    turns = 0
    for row in found:
        ledger.write("UPDATE passages SET state = ? WHERE number = ?", (FORGOTTEN, row.number))
        held = (row.session, *row.turns)
        said = ledger.rows(f"SELECT 1 FROM turns WHERE {_HELD}", held)
        turns += len(said)
        ledger.write(f"UPDATE turns SET forgotten = 1 WHERE {_HELD}", held)
    retired = [retire(ledger, session) for session in sorted({row.session for row in found})]
    return Forgotten(
        what,
        len(found),
        turns,
        sum(each.adapters for each in retired),
        sum(each.relearnt for each in retired),
    )


def retire(ledger: Ledger, session: str) -> _Retired:
    """Put no adapter of ``session`` on any more that knows a passage which is gone.

    The passages beside it are learnt again. A roll-up is undone instead, as far as its parts know
    nothing that is gone.
    """
    before = _knowing(ledger, session)
    kept = {
        row.id for row in passages(ledger, f"d.session = ? AND p.state NOT IN {GONE}", (session,))
    }
    active = adapters(ledger, f"session = ? AND state IN ('{ACTIVE}', '{ROLLED_UP}')", (session,))
    retired = [row for row in active if not kept.issuperset(row.passages)]
    for row in retired:
        drop(ledger, row, kept)
    return _Retired(len(retired), before - _knowing(ledger, session) if retired else 0)


def drop(ledger: Ledger, row: AdapterRow, kept: set[str]) -> None:
    """Forget an adapter; its passages fall back to the adapters that it was made from.

    ``kept`` are the ids of passages that may still be known.
    """
    ledger.write("UPDATE adapters SET state = ? WHERE number = ?", (FORGOTTEN, row.number))
    ledger.write(
        "UPDATE passages SET state = ?, adapter = NULL, loss = NULL, seconds = NULL, learnt = ''"
        f" WHERE adapter = ? AND state IN {KNOWN}",
        (PENDING, row.number),
    )
    for part in row.parts:
        (part_row,) = adapters(ledger, "number = ?", (part,))
        if kept.issuperset(part_row.passages):
            hold(ledger, part_row)
        else:
            drop(ledger, part_row, kept)


def hold(ledger: Ledger, row: AdapterRow) -> None:
    """Make an adapter the one that its passages are known by."""
    rolled = bool(row.parts)
    state = ROLLED_UP if rolled else ACTIVE
    ledger.write("UPDATE adapters SET state = ? WHERE number = ?", (state, row.number))
    for id in row.passages:
        ledger.write(
            "UPDATE passages SET state = ?, adapter = ?, loss = ?, seconds = ?, learnt = ?"
            f" WHERE id = ? AND state NOT IN {GONE}"
            " AND document IN (SELECT number FROM documents WHERE session = ?)",
            (
                ROLLED_UP if rolled else LEARNT,
                row.number,
                row.loss,
                row.seconds,
                row.made,
                id,
                row.session,
            ),
        )


def _knowing(ledger: Ledger, session: str) -> int:
    """Number of passages of ``session`` that an adapter knows."""
    return len(passages(ledger, f"d.session = ? AND p.state IN {KNOWN}", (session,)))
