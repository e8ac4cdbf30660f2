"""Chat completions as OpenAI's API has them, whole or as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from harness.errors import StoreError
from harness.server._errors import RefusedError, as_told, body_of
from harness.server._replies import Done, Question, Sources
from harness.server._requests import ChatRequest, read
from harness.server._state import State
from harness.server._transcripts import Said, named, new_turns, said

SESSION = "x-session"
"""The header that names a session, of requests and of responses; not ASCII: percent-encoded."""
Events = AsyncGenerator[Sources | str | Done, None]


class Chats:
    """The conversations of a server: what is said in a session is said one after the other."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def reply(self, session: str, request: ChatRequest) -> Events:
        """Keep what is new in ``request``, then reply."""
        state = self._state
        lock = self._locks[session]
        await lock.acquire()
        try:
            state.replies.check()
            warning = await run_in_threadpool(self._keep, session, request.turns)
            question = Question(
                session,
                request.turns[-1][1],
                request.system,
                request.decoding(state.plain, state.limits.tokens),
            )
            events = state.replies.start(question, partial(state.kept, session), lock.release)
        except BaseException:
            state.unnamed.put_back(session)
            lock.release()
            raise
        async with aclosing(events):
            async for event in events:
                yield (
                    event._replace(warning=warning)
                    if isinstance(event, Done) and warning
                    else event
                )

    def _keep(self, session: str, turns: list[Said]) -> str:
        """Keep the new ones of ``turns``. Returns why not, on a full disk: replies go on."""
        memory = self._state.memory
        try:
            for role, text in new_turns(said(memory, session), turns):
                memory.say(session, role, text)
        except StoreError as error:
            return f"not kept: {error}"
        return ""


def session_of(request: Request, chat: ChatRequest, state: State) -> str:
    """By the header, else by the field ``user``, else by the transcript. Raises RefusedError."""
    given = unquote(request.headers.get(SESSION, "")) or chat.user
    session = named(given) if given else state.unnamed.take(chat.turns[:-1])
    known = state.memory.sessions()
    if session not in known and len(known) >= state.limits.sessions:
        raise RefusedError(
            429,
            f"there are {len(known)} sessions already: forget one, or raise --sessions",
            "too_many_sessions",
        )
    return session


def router(state: State) -> APIRouter:
    """``/v1/chat/completions`` and ``/v1/models``."""
    routes = APIRouter(prefix="/v1")
    chats = Chats(state)

    @routes.post("/chat/completions", response_model=None)
    async def complete(request: Request) -> Response:
        chat = await read(request, ChatRequest)
        if chat.model:
            _check_model(chat.model, state)
        session = await run_in_threadpool(session_of, request, chat, state)
        events = chats.reply(session, chat)
        first = await anext(events)  # a mistake is an HTTP status, also of a stream
        completion = _Completion(state, session, chat, first)
        headers = {SESSION: quote(session)}  # a header holds ASCII
        if chat.stream:
            lines = completion.lines(events)
            return StreamingResponse(lines, media_type="text/event-stream", headers=headers)
        async with aclosing(events):
            return JSONResponse(await completion.whole(events), headers=headers)

    @routes.get("/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(state)]}

    @routes.get("/models/{name:path}")
    def model(name: str) -> dict[str, Any]:
        _check_model(name, state)
        return _model(state)

    return routes


def _check_model(name: str, state: State) -> None:
    if name != state.name:
        raise RefusedError(
            404, f"model {name[:80]!r} is not served: ask {state.name!r}", "model_not_found"
        )


def _model(state: State) -> dict[str, Any]:
    return {
        "id": state.name,
        "object": "model",
        "created": state.started,
        "owned_by": "lora-memory-harness",
        "format": state.format,
        "engine": state.engine.name,
        "context": state.engine.context,
    }


class _Completion:
    """One completion in the words of the API; ``memory`` holds what that has no words for."""

    def __init__(
        self, state: State, session: str, chat: ChatRequest, first: Sources | str | Done
    ) -> None:
        assert isinstance(first, Sources)
        self._sources = first
        self._session = session
        self._wants_usage = bool(chat.stream_options and chat.stream_options.include_usage)
        self._head = {
            "id": f"chatcmpl-{token_hex(12)}",
            "created": int(time.time()),
            "model": state.name,
        }

    async def whole(self, events: Events) -> dict[str, Any]:
        """The body of a response."""
        text = ""
        async for event in events:
            if isinstance(event, Done):
                choice = {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": _reason(event),
                    "logprobs": None,
                }
                return {
                    **self._head,
                    "object": "chat.completion",
                    "choices": [choice],
                    "usage": self._usage(event),
                    "memory": self._memory(event),
                }
            text += str(event)
        raise RefusedError(500, "the reply has no end: see the log", "fault")

    async def lines(self, events: Events) -> AsyncIterator[str]:
        """The body of a stream."""
        yield self._chunk({"role": "assistant", "content": ""}, None)
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Done):
                        yield self._chunk({}, _reason(event), memory=self._memory(event))
                        if self._wants_usage:
                            yield self._line({"choices": [], "usage": self._usage(event)})
                    else:
                        yield self._chunk({"content": event}, None)
        except Exception as error:  # the status was sent long ago
            yield f"data: {json.dumps(body_of(as_told(error)))}\n\n"
            return
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], reason: str | None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return self._line({"choices": [choice], **more})

    def _line(self, values: dict[str, Any]) -> str:
        chunk = {**self._head, "object": "chat.completion.chunk", **values}
        return f"data: {json.dumps(chunk)}\n\n"

    def _usage(self, done: Done) -> dict[str, int]:
        prompt = self._sources.prompt_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": done.tokens,
            "total_tokens": prompt + done.tokens,
        }

    def _memory(self, done: Done) -> dict[str, Any]:
        sources = self._sources
        return {
            "session": self._session,
            "read": [
                {"id": row.id, "document": row.document, "place": row.place} for row in sources.read
            ],
            "adapters": list(sources.adapters),
            "warning": "; ".join(filter(None, (sources.warning, done.warning))),
        }


def _reason(done: Done) -> str:
    return "length" if done.cut else "stop"
