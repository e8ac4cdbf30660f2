"""Which session a request belongs to, and which of its messages are new to the memory.

OpenAI's clients send the whole conversation with each request; a memory keeps each turn once.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence

from harness.memory import Memory
from harness.recipes import canonical, sha256
from harness.server._errors import RefusedError

UNNAMED = "chat-"
"""How the names of sessions begin that a client has not named."""
_LONGEST = 128

Said = tuple[str, str]
"""Role and text of a turn."""


def named(name: str) -> str:
    """``name`` where it can name a session. Raises RefusedError."""
    if len(name) > _LONGEST or not name.isprintable() or name != name.strip():
        raise RefusedError(
            400,
            f"session {name[:40]!r}: give at most {_LONGEST} printable characters, without blanks"
            " at the ends",
            "session_name",
        )
    return name


def said(memory: Memory, session: str) -> list[Said]:
    """All turns of ``session``, forgotten ones among them: a client may send those again."""
    rows = memory.ledger.rows(
        "SELECT role, text FROM turns WHERE session = ? ORDER BY place", (session,)
    )
    return [(row["role"], row["text"]) for row in rows]


def new_turns(known: Sequence[Said], turns: Sequence[Said]) -> list[Said]:
    """What of ``turns``, the last of which asks, is not among the ``known`` ones of the session.

    Messages before the question are known as far as they stand in a row among the known turns; a
    client may leave out the oldest. A question that still waits for its reply is the same question,
    sent again.
    """
    *before, question = turns
    count = next(
        (n for n in range(len(before), 0, -1) if _holds(known, before[:n])),
        0,
    )
    new = list(before[count:])
    if not new and known and _same(known[-1], question):
        return []
    return [*new, question]


def _holds(known: Sequence[Said], turns: Sequence[Said]) -> bool:
    size = len(turns)
    return any(
        all(map(_same, known[start : start + size], turns))
        for start in range(len(known) - size, -1, -1)
    )


def _same(one: Said, other: Said) -> bool:
    """Clients may strip a reply."""
    return one[0] == other[0] and one[1].strip() == other[1].strip()


class Unnamed:
    """Sessions of clients that name none: each is found by the transcript that comes before.

    Who sends a whole transcript knows what was said in it, so nothing of one session is told in
    another. A session with documents of its own is never found in this way: they are not in the
    transcript.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._by_transcript: dict[str, list[str]] = {}
        for session in memory.sessions():
            if session.startswith(UNNAMED):
                self._add(session)

    def take(self, before: Sequence[Said]) -> str:
        """The session that has exactly the turns ``before``; a new one where none has.

        It is found once: ``put_back`` it when its next reply is kept.
        """
        with self._lock:
            found = self._by_transcript.get(_key(before), []) if before else []
            for session in found:
                owned = [row for row in self._memory.documents() if row.session == session]
                if all(row.kind == "turns" for row in owned):
                    found.remove(session)
                    return session
        return f"{UNNAMED}{secrets.token_hex(8)}"

    def put_back(self, session: str) -> None:
        """``session`` is found by what is said in it now."""
        if session.startswith(UNNAMED):
            with self._lock:
                self._add(session)

    def _add(self, session: str) -> None:
        turns = said(self._memory, session)
        if turns:
            found = self._by_transcript.setdefault(_key(turns), [])
            if session not in found:
                found.append(session)


def _key(turns: Sequence[Said]) -> str:
    return sha256(canonical([[role, text.strip()] for role, text in turns]))
