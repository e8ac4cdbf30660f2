"""The turns of a session: which stay in the context, and which become passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from harness.memory import _changes, _views, passages
from harness.memory._tokens import Tokens
from harness.memory.ledger import Ledger, now
from harness.memory.rows import Turn
from harness.memory.settings import Settings

TURNS = "turns"
"""Kind of the document that holds the turns of a session which have left the window."""
_NAME = "turns of {}"
REST = 4
"""Turns that fill no passage yet may take a fourth of the window beside it."""


def settle(ledger: Ledger, settings: Settings, tokens: Tokens, session: str) -> int:
    """Make passages of the turns of ``session`` that have left the window.

    Turns that do not fill a passage yet stay while they are few, and a passage never changes.
    Returns the number of new passages.
    """
    turns = unsettled(ledger, session)
    size = window_size(settings, tokens)
    old = turns[: len(turns) - len(window(turns, size, tokens))]
    groups = list(_full(old, settings.passage_size))
    rest = old[sum(map(len, groups)) :]
    if sum(tokens.count(turn.text) for turn in rest) > size // REST:
        groups.append(rest)
    if not groups:
        return 0
    name = _NAME.format(session)
    count = 0
    with ledger.event("span", session):
        if any(turn.number <= _settled(ledger, session) for turn in groups[0]):
            return 0  # another process was faster
        row = ledger.one(
            "SELECT number FROM documents WHERE name = ? AND session = ?", (name, session)
        )
        document = (
            row["number"]
            if row
            else ledger.write(
                "INSERT INTO documents (name, session, kind, content, state, added)"
                " VALUES (?, ?, ?, '', 'kept', ?)",
                (name, session, TURNS, now()),
            )
        )
        ledger.write(
            "UPDATE documents SET state = 'kept' WHERE number = ? AND state != 'kept'", (document,)
        )
        last = ledger.one(
            "SELECT coalesce(max(place), -1) AS last FROM passages WHERE document = ?", (document,)
        )
        place = last["last"] if last else -1
        for group in groups:
            held = (group[0].number, group[-1].number)
            for piece in passages.spans(_said(group), settings.passage_size, name):
                place += 1
                count += 1
                _changes.insert(ledger, document, session, place, piece, held)
    return count


def window_size(settings: Settings, tokens: Tokens) -> int:
    """Tokens of the window: those of the settings, but no more than half of the context."""
    return min(settings.window, tokens.context // 2)


def unsettled(ledger: Ledger, session: str) -> list[Turn]:
    """The turns that are in no passage yet."""
    return _views.turns(ledger, session, after=_settled(ledger, session))


def window(turns: Sequence[Turn], size: int, tokens: Tokens) -> list[Turn]:
    """The newest of ``turns`` that have at most ``size`` tokens, from a turn of the user on.

    The last turn of the user is always among them.
    """
    start = len(turns)
    total = 0
    kept = len(turns)
    while start:
        start -= 1
        total += tokens.count(turns[start].text)
        if total > size and kept < len(turns):
            break
        if turns[start].role == "user":
            kept = start
    return list(turns[kept:])


def _settled(ledger: Ledger, session: str) -> int:
    """The number of the last turn that is in a passage."""
    row = ledger.one(
        "SELECT coalesce(max(p.last), 0) AS last FROM passages p"
        " JOIN documents d ON d.number = p.document WHERE d.session = ?",
        (session,),
    )
    return int(row["last"]) if row else 0


def _full(turns: Sequence[Turn], size: int) -> Iterator[list[Turn]]:
    """Groups of ``turns`` that fill a passage: the next turn does not fit, or is of another day."""
    group: list[Turn] = []
    for turn in turns:
        (*_, said) = _said([turn])
        one = passages.spans([said], size)
        joined = passages.spans(_said([*group, turn]), size)
        if group and (len(joined) > 1 or len(one) > 1):
            yield group
            group = []
        group.append(turn)
        if len(one) > 1:
            yield group
            group = []


def _said(turns: Sequence[Turn]) -> list[passages.Turn]:
    """The turns as passages take them."""
    return [passages.Turn(turn.role, turn.text, datetime.fromisoformat(turn.at)) for turn in turns]
