"""Learning: which passages become one adapter next, and what becomes of the training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psutil

from harness.errors import HarnessError, StoreError
from harness.memory import _changes, _views
from harness.memory._making import Making, as_json
from harness.memory.ledger import Ledger, now
from harness.memory.markers import ABSOLUTE, NONE, marked
from harness.memory.passages import Passage
from harness.memory.rows import ACTIVE, FAILED, PENDING, Learnt, PassageRow, Work
from harness.recipes import Adapter, digest
from harness.store import Artefact
from harness.training import OnStep


def next_work(ledger: Ledger, making: Making) -> Work | None:
    """Pending passages of the document that waits longest; None where nothing is pending.

    What a process was learning when it was killed comes first and stays together: then its
    training is found in the store, or goes on from a checkpoint.
    """
    with ledger.transaction():
        pending = _views.passages(ledger, f"p.state = '{PENDING}'")
        if not pending:
            ledger.write("DELETE FROM working")
            return None
        by_number = {row.number: row for row in pending}
        begun = ledger.rows("SELECT passage, process FROM working ORDER BY passage")
        mine = [
            row["passage"]
            for row in begun
            if row["process"] == os.getpid() or not psutil.pid_exists(row["process"])
        ]
        taken = {row["passage"] for row in begun} - set(mine)
        if mine and all(number in by_number for number in mine):
            chosen = [row for row in pending if row.number in mine]
        else:
            free = [row for row in pending if row.number not in taken]
            if not free:
                return None
            chosen = _together(free, making)
        for row in begun:
            if row["passage"] not in taken:
                ledger.write("DELETE FROM working WHERE passage = ?", (row["passage"],))
        for each in chosen:
            ledger.write("INSERT INTO working VALUES (?, ?)", (each.number, os.getpid()))
    first = chosen[0]
    return Work(first.document, first.session, tuple(chosen))


def _together(free: Sequence[PassageRow], making: Making) -> list[PassageRow]:
    """The passages that are learnt with the one that waits longest."""
    oldest = min(free, key=lambda row: row.number)
    if making.settings.unit == "passage":
        return [oldest]
    same = (oldest.document, oldest.session)
    document = [row for row in free if (row.document, row.session) == same]
    distinct = {row.id: row for row in reversed(document)}
    # in the order of the document, so that the same passages are the same training
    chosen = [row for row in document if distinct[row.id] is row]
    return chosen[: making.settings.most_passages]


def learn(ledger: Ledger, making: Making, work: Work, on_step: OnStep | None = None) -> Learnt:
    """Train an adapter on the passages of ``work``, and note it in the ledger.

    A mistake that would come again, such as a training that diverges, fails the passages: they can
    be retrieved, and are not tried again.

    Raises:
        StoreError: the disk is full; the passages stay pending.
    """
    try:
        text = making.dataset(pieces(work.passages, making), work.document)
        recipe = making.adapter(text)
        found = making.store.peek(recipe) is not None
        artefact = making.fetch(recipe, on_step)
    except StoreError:
        raise
    except HarnessError as error:
        return _failed(ledger, work, str(error))
    if artefact.manifest.facts["status"] == "diverged":
        return _failed(ledger, work, "its training diverged: lower lr in the settings")
    return _commit(ledger, work, recipe, artefact, found)


def pieces(rows: Sequence[PassageRow], making: Making) -> list[Passage]:
    """The passages of ``rows`` as they are learnt: with absolute marks of time, if with any.

    A relative one would be right on the day of the training only.
    """
    how = NONE if making.settings.markers == NONE else ABSOLUTE
    return list(marked([piece(row) for row in rows], how, datetime.now().astimezone()))


def piece(row: PassageRow) -> Passage:
    """The passage of a row."""
    return Passage(row.text, row.document, row.place, row.heading, row.when)


def insert_adapter(
    ledger: Ledger,
    name: str,
    session: str,
    recipe: Any,
    facts: dict[str, Any],
    held: Sequence[str],
    state: str = ACTIVE,
) -> int:
    """A row for a new adapter that knows the passages with the ids ``held``."""
    number = ledger.write(
        "INSERT INTO adapters (digest, session, name, state, recipe, bytes, loss, seconds, steps,"
        " made) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            digest(recipe),
            session,
            name,
            state,
            as_json(recipe),
            facts["adapter_bytes"],
            facts.get("final_loss"),
            facts.get("seconds", 0.0),
            facts.get("steps", 0),
            now(),
        ),
    )
    for id in dict.fromkeys(held):
        ledger.write("INSERT INTO holdings (adapter, passage) VALUES (?, ?)", (number, id))
    return number


def _commit(ledger: Ledger, work: Work, recipe: Adapter, artefact: Artefact, found: bool) -> Learnt:
    with ledger.event("learn", work.document):
        _done(ledger, work)
        if not _unchanged(ledger, work):
            return Learnt(work, None, "its passages changed in the meantime")
        held = [row.id for row in work.passages]
        facts = artefact.manifest.facts
        number = insert_adapter(ledger, work.document, work.session, recipe, facts, held)
        (adapter,) = _views.adapters(ledger, "number = ?", (number,))
        _changes.hold(ledger, adapter)
    return Learnt(work, adapter, found=found)


def _failed(ledger: Ledger, work: Work, reason: str) -> Learnt:
    with ledger.event("learn", f"{work.document}: {reason}"):
        _done(ledger, work)
        if _unchanged(ledger, work):
            for row in work.passages:
                ledger.write("UPDATE passages SET state = ? WHERE number = ?", (FAILED, row.number))
    return Learnt(work, None, reason)


def _unchanged(ledger: Ledger, work: Work) -> bool:
    """Whether all passages of ``work`` still wait, with the same text."""
    wanted = {(row.number, row.id) for row in work.passages}
    rows = ledger.rows("SELECT number, id FROM passages WHERE state = ?", (PENDING,))
    return wanted <= {(row["number"], row["id"]) for row in rows}


def _done(ledger: Ledger, work: Work) -> None:
    for row in work.passages:
        ledger.write("DELETE FROM working WHERE passage = ?", (row.number,))
