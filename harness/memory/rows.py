"""What a memory shows of itself: frozen rows for the command line, the server and its page."""

from __future__ import annotations

from dataclasses import dataclass

PENDING = "pending"
"""Waits to be learnt."""
LEARNING = "learning"
"""Is being learnt now."""
LEARNT = "learnt"
"""An adapter of its own document knows it."""
ROLLED_UP = "rolled_up"
"""An adapter that was made from several knows it."""
SUPERSEDED = "superseded"
"""An edited version took its place."""
FORGOTTEN = "forgotten"
FAILED = "failed"
"""No adapter could be trained on it; it can still be retrieved."""
PASSAGE_STATES = (PENDING, LEARNING, LEARNT, ROLLED_UP, SUPERSEDED, FORGOTTEN, FAILED)
KEPT = (PENDING, LEARNING, LEARNT, ROLLED_UP, FAILED)
"""States of the passages that a memory still answers from."""

ACTIVE = "active"
"""Of an adapter: policies may put it on."""
ARCHIVED = "archived"
"""Of an adapter: a roll-up took its place. It is kept for ``undo``."""
ADAPTER_STATES = (ACTIVE, ROLLED_UP, ARCHIVED, FORGOTTEN)
"""``rolled_up``: active, and made from several."""


@dataclass(frozen=True)
class Turn:
    """One message of a chat."""

    session: str
    number: int
    """Within its session, from 1."""
    role: str
    """``system``, ``user`` or ``assistant``."""
    text: str
    at: str
    """When it was said: ISO 8601 with a time zone."""


@dataclass(frozen=True)
class DocumentRow:
    """A document, or the turns of a session that have left the window."""

    number: int
    name: str
    session: str
    """Empty: for all sessions."""
    kind: str
    """``text``, ``chat``, or ``turns`` for a session's own turns."""
    added: str
    passages: int
    """Those that are kept."""
    learnt: int
    """Those of them that an adapter knows."""
    bytes: int
    """Of the text that is kept, in UTF-8."""


@dataclass(frozen=True)
class PassageRow:
    """A passage and what became of it."""

    number: int
    id: str
    """Digest of its text and heading."""
    document: str
    session: str
    place: int
    """Its place in the document, from 0."""
    text: str
    heading: str
    when: str
    """When it was said; empty where nothing says so."""
    turns: tuple[int, int]
    """The first and the last turn of its session that it holds; (0, 0) in a document."""
    state: str
    """One of ``PASSAGE_STATES``."""
    adapter: int | None
    """The number of the adapter that knows it."""
    loss: float | None
    """Of the last step of that adapter's training, nats a token."""
    seconds: float | None
    """Of that training."""
    added: str
    learnt: str
    """When it was learnt; empty before."""


@dataclass(frozen=True)
class AdapterRow:
    """An adapter of the memory."""

    number: int
    digest: str
    """Its name in the store."""
    session: str
    name: str
    """The document that it was trained on, or the method of the roll-up."""
    state: str
    """One of ``ADAPTER_STATES``."""
    passages: tuple[str, ...]
    """Ids of the passages that it was trained on."""
    parts: tuple[int, ...]
    """Numbers of the adapters that it was made from; none where it was trained alone."""
    bytes: int
    loss: float | None
    seconds: float
    steps: int
    made: str


@dataclass(frozen=True)
class EventRow:
    """A change of the memory that can be taken back."""

    number: int
    at: str
    verb: str
    """``add``, ``forget``, ``rollup``, ``learn``, ``span`` or ``repair``."""
    detail: str


@dataclass(frozen=True)
class Added:
    """What ``add`` did with a document."""

    document: str
    new: int
    """Passages that are to be learnt."""
    unchanged: int
    """Passages that were there already."""
    superseded: int
    """Passages whose text is no longer in the document."""


@dataclass(frozen=True)
class Forgotten:
    """What ``forget`` did."""

    what: str
    passages: int
    turns: int
    adapters: int
    """Adapters that are no longer put on, as they knew something of it."""
    relearnt: int
    """Passages beside it in those adapters, which are to be learnt again."""


@dataclass(frozen=True)
class Work:
    """Passages that become one adapter."""

    document: str
    session: str
    passages: tuple[PassageRow, ...]


@dataclass(frozen=True)
class Learnt:
    """What became of a ``Work``."""

    work: Work
    adapter: AdapterRow | None
    """None where the training failed, or its passages changed while it ran."""
    reason: str = ""
    """Why there is none."""
    found: bool = False
    """Whether the training was in the store already."""


@dataclass(frozen=True)
class Recall:
    """Share of the questions on the memory's own passages that are answered right."""

    right: int
    asked: int

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 where nothing was asked."""
        return self.right / self.asked if self.asked else 0.0


@dataclass(frozen=True)
class RolledUp:
    """What a roll-up did in one session (empty: the documents of all sessions)."""

    session: str
    method: str
    adapters: int
    """Number of adapters before."""
    alone: Recall
    """Before, each question with the adapter of its passage alone."""
    before: Recall
    """Before, with all adapters at once."""
    after: Recall
    bytes_before: int
    bytes_after: int
    done: bool
    """False where recall would have fallen too far below ``alone``; then nothing was changed."""
