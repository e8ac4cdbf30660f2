"""Replies of the one model: one after the other, each with its adapters."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from harness.engines import StreamingEngine
from harness.errors import HarnessError, ModelError, RecipeError, StoreError
from harness.memory import Memory, PassageRow, Turned
from harness.recipes import ChatPrompt, Decoding, Prompt
from harness.server._errors import RefusedError

log = logging.getLogger("harness")

_LEAST_TOKENS = 8
"""Fewer new tokens are no reply."""


class Question(NamedTuple):
    """What a reply answers."""

    session: str
    text: str
    system: str
    decoding: Decoding


class Sources(NamedTuple):
    """What a reply was made with."""

    prompt_tokens: int
    read: tuple[PassageRow, ...]
    """Passages in the context."""
    adapters: tuple[dict[str, Any], ...]
    """Adapters that were on, with the ids of the passages that they know."""
    warning: str


class Done(NamedTuple):
    """The end of a reply."""

    tokens: int
    cut: bool
    """Whether it ended because it had as many tokens as it may have."""
    warning: str
    """What went wrong beside the reply; empty if nothing did."""


@dataclass
class _Job:
    question: Question
    put: Callable[[Event], None]
    after: Callable[[], None]
    """Called when the reply is kept, also where it failed or was cancelled."""
    cancelled: threading.Event = field(default_factory=threading.Event)


Event = Sources | str | Done | Exception


class Replies:
    """Answers questions from a memory.

    A reply is kept in the memory before its end is told. Where the memory cannot keep it (its disk
    is full), it is given all the same, with a warning.
    """

    def __init__(self, memory: Memory, engine: StreamingEngine, queue: int) -> None:
        self._memory = memory
        self._engine = engine
        self._queue = queue
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "replies")
        self._on: list[tuple[Path, float]] = []
        self._stack = ExitStack()

    @property
    def waiting(self) -> int:
        """Requests that wait or are answered."""
        return self._waiting

    def check(self) -> None:
        """Raises RefusedError where too many wait."""
        if self._waiting > self._queue:
            raise RefusedError(
                429, f"{self._queue} requests wait already: send this one later", "queue_full"
            )

    def start(
        self, question: Question, after: Callable[[], None], released: Callable[[], None]
    ) -> AsyncGenerator[Sources | str | Done, None]:
        """First the sources, then the pieces of the text, then its end.

        Closing it ends the reply; what was given of it is kept. ``after`` is called in the thread
        of replies when this one is kept, and then ``released`` in the event loop.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()
        job = _Job(question, lambda event: _soon(loop, lambda: events.put_nowait(event)), after)

        def ended() -> None:
            self._waiting -= 1
            released()

        self._waiting += 1
        future = self._thread.submit(self._run, job)
        future.add_done_callback(lambda _: _soon(loop, ended))
        return _received(job, events)

    def close(self) -> None:
        """Take the adapters off, after the reply that is under way."""
        self._thread.submit(self._stack.close)
        self._thread.shutdown(wait=True)

    # In the thread

    def _run(self, job: _Job) -> None:
        try:
            if not job.cancelled.is_set():
                self._answer(job)
        except Exception as error:  # told to the client: a thread has nobody else
            if not isinstance(error, HarnessError):
                log.exception("a reply failed")
            job.put(error)
        finally:
            job.after()

    def _answer(self, job: _Job) -> None:
        question = job.question
        turned, warning = self._prepared(question)
        prompt = with_system(turned.prompt, question.system)
        length = self._engine.length(prompt)
        decoding = self._fitting(question.decoding, length)
        adapters = tuple(
            {"number": row.number, "name": row.name, "passages": list(row.passages)}
            for row in turned.adapter_rows
        )
        job.put(Sources(length, tuple(turned.passages), adapters, warning))
        pieces: list[str] = []
        try:
            with closing(self._engine.stream(prompt, decoding)) as stream:
                for piece in stream:
                    pieces.append(piece)
                    job.put(piece)
                    if job.cancelled.is_set():
                        break
        finally:
            text = "".join(pieces)
            not_kept = self._keep(question.session, text)
        tokens = self._engine.count([text])
        job.put(Done(tokens, tokens >= decoding.max_new_tokens, not_kept))

    def _keep(self, session: str, text: str) -> str:
        """Keep a reply. Returns why that was not possible; empty otherwise."""
        if not text.strip():
            return ""
        try:
            self._memory.say(session, "assistant", text)
        except StoreError as error:
            return f"not kept: {error}"
        return ""

    def _prepared(self, question: Question) -> tuple[Turned, str]:
        """What the engine is given, with its adapters on, and a warning.

        A damaged adapter is set aside, to be learnt again.
        """
        turned = self._memory.prepare(question.session, question.text)
        try:
            self._put_on(turned.adapters)
        except ModelError as error:
            faults = self._memory.verify(repair=True)
            warning = "; ".join(faults) or str(error)
            turned = self._memory.prepare(question.session, question.text)
            self._put_on(turned.adapters)
            return turned, warning
        return turned, ""

    def _put_on(self, adapters: list[tuple[Path, float]]) -> None:
        """The adapters of the last reply stay on until others are wanted."""
        if adapters == self._on:
            return
        self._stack.close()
        self._on = []
        self._stack.enter_context(self._engine.with_stack(adapters))
        self._on = list(adapters)

    def _fitting(self, decoding: Decoding, length: int) -> Decoding:
        """``decoding`` with as many new tokens as there is room for."""
        room = self._engine.context - length
        if room < _LEAST_TOKENS:
            raise RecipeError(
                f"the question takes {length} of {self._engine.context} tokens, which leaves no"
                " room for a reply: shorten it"
            )
        return replace(decoding, max_new_tokens=min(decoding.max_new_tokens, room))


async def _received(
    job: _Job, events: asyncio.Queue[Event]
) -> AsyncGenerator[Sources | str | Done, None]:
    try:
        while True:
            event = await events.get()
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, Done):
                return
    finally:
        job.cancelled.set()


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Run ``call`` in ``loop``, where that is not closed yet."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def with_system(prompt: Prompt, system: str) -> Prompt:
    """``prompt`` with a system turn of the client, or with its text above a plain format."""
    if not system.strip():
        return prompt
    if isinstance(prompt, str):
        return f"{system.strip()}\n\n{prompt}"
    before = prompt.chat.before
    turn = ("system", system)
    if before[:1] and before[0][0] == "system":
        turn = ("system", f"{before[0][1]}\n\n{system}")
        before = before[1:]
    return ChatPrompt(prompt.text, replace(prompt.chat, before=(turn, *before)))
