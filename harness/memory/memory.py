"""A memory: a folder that holds documents, chats, and the adapters that know them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from harness.engines import trainable
from harness.errors import DataError, StoreError
from harness.memory import _changes, _chat, _learning
from harness.memory._answering import Answering, Turned
from harness.memory._files import Files
from harness.memory._making import Making
from harness.memory._opening import HOLDER, base_of_memory, locked
from harness.memory._recovery import recover, write_copy
from harness.memory._tokens import Tokens
from harness.memory._views import Views
from harness.memory.documents import Document
from harness.memory.ledger import FILE, Ledger, now
from harness.memory.rollup import TOLERATED, due, roll_up
from harness.memory.rows import (
    Added,
    Forgotten,
    Learnt,
    RolledUp,
    Work,
)
from harness.memory.settings import DEFAULTS, Settings
from harness.recipes import Base, Dequantised, sha256
from harness.store import Store
from harness.training import OnStep

ROLES = ("system", "user", "assistant")
_STORE = "store"


class Memory(Views):
    """One memory, open for reading, or for writing by this process alone.

    Its methods may be called from several threads. Each raises StoreError, in one line, where the
    disk is full or the ledger is damaged.
    """

    def __init__(
        self, folder: Path, ledger: Ledger, base: Base, lock: FileLock | None, writes: bool
    ) -> None:
        """Use ``create`` or ``open``."""
        self.folder = folder
        self.ledger = ledger
        self.base = base
        self._lock = lock
        self._writes = writes
        self._changing = threading.RLock()
        self.store = Store(folder / ledger.get("store"))
        self._set(Settings.of_json(ledger.get("settings")))

    def _set(self, settings: Settings) -> None:
        self.settings = settings
        self._making = Making(self.base, settings, self.store)
        self._files = Files(self.ledger, self._making)
        self._refused: set[tuple[int, ...]] = set()
        for name in ("_tokens", "_answering"):
            self.__dict__.pop(name, None)

    @cached_property
    def _tokens(self) -> Tokens:
        trained = self._making.trained
        if isinstance(trained, Dequantised):
            return Tokens(self._making.fetch(trained).path)
        return Tokens(Path(self.base.path))

    @cached_property
    def _answering(self) -> Answering:
        return Answering(self.ledger, self.settings, self._tokens, self._making.chat)

    @classmethod
    def create(
        cls, folder: Path, model: str, settings: Settings = DEFAULTS, store: Path | None = None
    ) -> Memory:
        """A new memory for ``model`` in ``folder``, open for writing.

        Its artefacts go to ``store``, or into the folder.

        Raises:
            StoreError: there is a memory, or the folder holds something else or cannot be written.
            ModelError: adapters cannot be trained on ``model``.
        """
        base = trainable(model)
        if (folder / FILE).exists():
            raise StoreError(f"{folder} holds a memory already: give another folder")
        if folder.is_dir() and any(folder.iterdir()):
            raise StoreError(f"{folder} is not empty and holds no memory: give another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be made ({error.strerror}): give another folder"
            ) from error
        lock = locked(folder)
        ledger = Ledger(folder, create=True)
        with ledger.transaction():
            ledger.put("model", base.path)
            ledger.put("base", base.content)
            ledger.put("name", base.name)
            ledger.put("settings", settings.as_json())
            ledger.put("store", str(store.resolve()) if store else _STORE)
            ledger.put("made", now())
        write_copy(folder, ledger)
        return cls(folder, ledger, base, lock, writes=True)

    @classmethod
    def open(cls, folder: Path, write: bool = False, model: str = "") -> Memory:
        """The memory in ``folder``; ``model`` says where its base lies now, if it has moved.

        Raises:
            StoreError: there is none, it is damaged, or, with ``write``, another process has it.
            ModelError: its base is not there, or ``model`` is another one.
        """
        ledger = Ledger(folder)
        lock: FileLock | None = None
        try:
            base = base_of_memory(ledger, model)
            lock = locked(folder) if write else None
            return cls(folder, ledger, base, lock, writes=write)
        except BaseException:
            ledger.close()
            if lock:
                lock.release()
            raise

    @classmethod
    def open_to_learn(cls, folder: Path, model: str = "") -> Memory:
        """``open`` for the learner, which writes beside the process that has the lock."""
        ledger = Ledger(folder)
        try:
            return cls(folder, ledger, base_of_memory(ledger, model), None, writes=True)
        except BaseException:
            ledger.close()
            raise

    @staticmethod
    def recover(folder: Path) -> list[str]:
        """Set a damaged ledger aside, and make a new one of what can be read of it.

        Returns what was done, one line each; nothing where it is whole. ``verify`` with ``repair``
        then says what is to be learnt again.

        Raises:
            StoreError: there is none, another process has the memory, or nothing can be read.
        """
        with locked(folder):
            return recover(folder)

    def close(self) -> None:
        """Close the ledger and give the lock back."""
        self.ledger.close()
        if self._lock:
            (self.folder / HOLDER).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def say(self, session: str, role: str, text: str, at: datetime | None = None) -> int:
        """Keep a turn of a chat. Returns its number in the session, from 1.

        When it returns, the turn is on disk. ``at`` is when it was said, else now; without a zone
        it is local time.

        Raises:
            DataError: the session has no name, the role is unknown, or the text is empty.
        """
        self._check_writes()
        if not session.strip():
            raise DataError("a turn has no session: give it a name")
        if role not in ROLES:
            raise DataError(f"role {role!r} is unknown: choose one of {', '.join(ROLES)}")
        if not text.strip():
            raise DataError(f"a turn of session {session!r} is empty: give it some text")
        # in the zone of the speaker: an evening is one by their clock
        said = at if at and at.tzinfo else (at or datetime.now()).astimezone()
        with self._changing, self.ledger.transaction():
            row = self.ledger.one(
                "SELECT coalesce(max(place), 0) AS last FROM turns WHERE session = ?", (session,)
            )
            number = (row["last"] if row else 0) + 1
            self.ledger.write(
                "INSERT INTO turns (session, place, role, text, at) VALUES (?, ?, ?, ?, ?)",
                (session, number, role, text, said.isoformat(timespec="milliseconds")),
            )
        return int(number)

    def add(self, document: Document, session: str = "") -> Added:
        """Add a document, or a new version of one with the same name, for ``session`` alone.

        An empty ``session`` is for all. Unchanged passages keep what was learnt of them; a passage
        that the new version lacks is superseded, and adapters that know it are put on no more.

        Raises:
            DataError: the document has no text.
        """
        self._check_writes()
        pieces = document.passages(self.settings.passage_size)
        if not any(piece.text.strip() for piece in pieces):
            raise DataError(f"{document.name} has no text: give a document with some")
        content = sha256("\n\n".join(piece.id for piece in pieces))
        with self._changing, self.ledger.event("add", document.name):
            return _changes.add(self.ledger, document.name, session, document.kind, content, pieces)

    def forget(self, what: str, session: str | None = None) -> Forgotten:
        """Forget a document by its name, a session by its name, or a passage by its id.

        Six or more characters of an id are enough. ``session`` says of which session the document
        is (empty: of all), where several have one of that name.

        Raises:
            DataError: there is no such thing, or more than one.
        """
        self._check_writes()
        with self._changing, self.ledger.event("forget", what):
            return _changes.forget(self.ledger, what, session)

    def correct(self, passage: str, text: str) -> Added:
        """Put ``text`` in the place of the passage with an id that begins like ``passage``.

        The passage before is superseded, and adapters that know it are put on no more.

        Raises:
            DataError: there is no such passage, more than one, or no text.
        """
        self._check_writes()
        if not text.strip():
            raise DataError(f"passage {passage!r} is to have no text: forget it instead")
        with self._changing, self.ledger.event("correct", passage):
            return _changes.correct(self.ledger, passage, text)

    def undo(self) -> str:
        """Take back the last ``add``, ``correct``, ``forget`` or ``rollup``.

        Returns what that was. What was learnt since is pending again, and found in the store.

        Raises:
            StoreError: there is none.
        """
        self._check_writes()
        with self._changing:
            event = self.ledger.undo()
        return f"{event.verb} {event.detail}"

    def configure(self, changes: Sequence[str], option: str = "--set") -> None:
        """Change settings, as ``NAME=VALUE``; what was learnt stays. Raises RecipeError."""
        self._check_writes()
        settings = self.settings.changed(changes, option)
        with self._changing:
            self.ledger.put("settings", settings.as_json())
            write_copy(self.folder, self.ledger)
            self._set(settings)

    def next_work(self) -> Work | None:
        """Pending passages that become one adapter, which are then marked as being learnt.

        None where nothing is pending. Turns that have left the window become passages first.
        """
        self._check_writes()
        for session in self.sessions():
            self._settle(session)
        return _learning.next_work(self.ledger, self._making)

    def learn(self, work: Work, on_step: OnStep | None = None) -> Learnt:
        """Train an adapter on the passages of ``work``; ``on_step`` is called after each step.

        Where the process ends in between, they are pending again, and a finished training is found
        in the store.

        Raises:
            StoreError: the disk is full; the passages stay pending.
        """
        self._check_writes()
        learnt = _learning.learn(self.ledger, self._making, work, on_step)
        if learnt.adapter:
            self._files.prepare(self._files.recipe(learnt.adapter))
        return learnt

    def rollup(
        self,
        method: str = "",
        rank: int = 0,
        session: str = "",
        tolerated: float = TOLERATED,
        on_step: OnStep | None = None,
    ) -> RolledUp:
        """Make one adapter of all of a ``session`` (empty: of the documents of all sessions).

        See ``harness.memory.rollup.roll_up``; ``method`` is by default that of the settings.
        """
        self._check_writes()
        how = (method or self.settings.rollup_method, rank, tolerated, on_step)
        return roll_up(self.ledger, self._making, self._files, session, *how)

    def roll_up_where_due(self) -> bool:
        """Roll up each session with ``rollup_at`` adapters. Returns whether one was rolled up.

        Where recall would fall too far, it is tried again only when there are other adapters.
        """
        least = self.settings.rollup_at
        if not least:
            return False
        for session, numbers in due(self.adapters(), least, self._refused):
            self._refused.add(numbers)
            if self.rollup(session=session).done:
                return True
        return False

    def verify(self, repair: bool = False) -> list[str]:
        """Faults of ledger and adapters, one line each.

        With ``repair``, damaged adapters are set aside, and their passages are pending again, with
        those that failed.
        """
        faults = self.ledger.check()
        if not repair:
            return [*faults, *self._files.faults(repair=False)]
        self._check_writes()
        with self._changing, self.ledger.event("repair", "as verified"):
            return [*faults, *self._files.faults(repair=True)]

    def prepare(self, session: str, question: str, policy: str = "") -> Turned:
        """What an engine is given for ``question`` in ``session``: see ``Turned``.

        ``policy`` is by default that of the settings. Where the last turn is the question itself,
        it is not there twice. Nothing is trained: an adapter that is damaged is left out, and its
        passages are pending.

        Raises:
            RecipeError: the policy is unknown, or the texts do not fit into the context.
        """
        if self._writes:
            with suppress(StoreError):  # on a full disk they stay in the window, and are answered
                self._settle(session)
        usable: set[int] | None = None
        while True:
            chosen = self._answering.choose(session, question, policy, usable)
            found = [(row, self._files.file(row)) for row in chosen.adapters]
            damaged = {row.number for row, path in found if path is None}
            if not damaged:
                break
            usable = (
                {row.number for row in self.adapters()} - damaged
                if usable is None
                else (usable - damaged)
            )
            self._drop(damaged)
        return Turned(
            chosen.prompt,
            [(path, 1.0) for _, path in found if path],
            chosen.passages,
            chosen.adapters,
            chosen.policy,
        )

    def curve(self, adapter: int) -> list[tuple[int, float]]:
        """(step, loss in nats a token) of the training of an adapter; none where it had none."""
        return self._files.curve(adapter)

    def _settle(self, session: str) -> None:
        with self._changing:
            _chat.settle(self.ledger, self.settings, self._tokens, session)

    def _drop(self, damaged: set[int]) -> None:
        """Take damaged adapters out, where this process may; else they are only left out."""
        if not self._writes:
            return
        with (
            suppress(StoreError),  # on a full disk
            self._changing,
            self.ledger.event("repair", "damaged adapters"),
        ):
            self._files.drop(damaged)

    def _check_writes(self) -> None:
        if not self._writes:
            raise StoreError(f"the memory at {self.folder} is open for reading: open it to write")
