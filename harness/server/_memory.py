"""The memory by HTTP: what is in it, documents, correct, forget, undo, roll up, verify, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from harness.memory import Added, Forgotten
from harness.memory.documents import read_document
from harness.server._errors import RefusedError
from harness.server._limits import folder_bytes
from harness.server._requests import read
from harness.server._state import State
from harness.server._transcripts import named

_LONGEST_NAME = 200


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class What(_Body):
    """What is to be forgotten."""

    what: str = Field(min_length=1)
    """A document's name, a session, or a passage's id."""
    session: str | None = None
    """Of which session the document is; empty: of all."""


class Text(_Body):
    """What a passage says instead."""

    text: str = Field(min_length=1)


class How(_Body):
    """Which adapters are rolled up, and how."""

    session: str = ""
    """Empty: those of the documents of all sessions."""
    method: Literal["svd", "concat", "ties", "distil"] = "svd"
    rank: int = Field(0, ge=0)


class Repair(_Body):
    """Whether what is damaged is set aside, and learnt again."""

    repair: bool = False


def router(state: State) -> APIRouter:
    """The addresses under ``/memory``."""
    routes = APIRouter(prefix="/memory")
    _add_views(routes, state)
    _add_changes(routes, state)
    return routes


def _add_views(routes: APIRouter, state: State) -> None:
    memory = state.memory

    @routes.get("")
    def overview() -> dict[str, Any]:
        return {
            "model": state.name,
            "format": state.format,
            "engine": state.engine.name,
            "policy": memory.settings.policy,
            "counts": memory.counts(),
            "folder": str(memory.folder.resolve()),
            "bytes": folder_bytes(memory.folder),
            "waiting": state.replies.waiting,
            "learner": state.progress(),
        }

    @routes.get("/documents")
    def documents() -> list[dict[str, Any]]:
        return [asdict(row) for row in memory.documents()]

    @routes.get("/passages")
    def passages(document: str = "", state: str = "", session: str | None = None) -> Any:
        rows = memory.passages(document, state)
        return [asdict(row) for row in rows if session is None or row.session == session]

    @routes.get("/adapters")
    def adapters() -> list[dict[str, Any]]:
        return [asdict(row) for row in memory.adapters()]

    @routes.get("/adapters/{number}/curve")
    def curve(number: int) -> list[tuple[int, float]]:
        return memory.curve(number)

    @routes.get("/sessions")
    def sessions() -> list[str]:
        return memory.sessions()

    @routes.get("/turns")
    def turns(session: str) -> list[dict[str, Any]]:
        return [asdict(turn) for turn in memory.turns(session)]

    @routes.get("/events")
    def events() -> list[dict[str, Any]]:
        return [asdict(row) for row in memory.events()]

    @routes.get("/export")
    def export() -> Response:
        """All text of the memory as one JSON file; adapters are named, not held."""
        content = {
            "model": state.name,
            "settings": asdict(memory.settings),
            "documents": documents(),
            "passages": [asdict(row) for row in memory.passages()],
            "turns": [turn for session in memory.sessions() for turn in turns(session)],
            "adapters": adapters(),
            "events": events(),
        }
        headers = {"Content-Disposition": 'attachment; filename="memory.json"'}
        return Response(
            json.dumps(content, ensure_ascii=False, indent=1),
            media_type="application/json",
            headers=headers,
        )


def _add_changes(routes: APIRouter, state: State) -> None:
    memory = state.memory

    async def changed(change: Callable[[], Added | Forgotten]) -> dict[str, Any]:
        row = asdict(await run_in_threadpool(change))
        state.wake()  # there may be something to learn
        return row

    @routes.post("/documents")
    async def add(request: Request, name: str, session: str = "") -> dict[str, Any]:
        """The body is the file as it is: text, Markdown, PDF or a chat log."""
        name = _document_name(name)
        if session:
            named(session)
        await run_in_threadpool(state.limits.check_disk, memory.folder)
        content = await request.body()

        def keep() -> Added:
            return memory.add(read_document(content, name), session)

        return await changed(keep)

    @routes.post("/passages/{passage}")
    async def correct(passage: str, request: Request) -> dict[str, Any]:
        body = await read(request, Text)
        return await changed(partial(memory.correct, passage, body.text))

    @routes.post("/forget")
    async def forget(request: Request) -> dict[str, Any]:
        body = await read(request, What)
        return await changed(partial(memory.forget, body.what, body.session))

    @routes.post("/undo")
    def undo() -> dict[str, str]:
        if not memory.events():
            raise RefusedError(
                409, "nothing to undo: the memory was not changed", "nothing_to_undo"
            )
        return {"undone": memory.undo()}

    @routes.post("/rollup")
    async def rollup(request: Request) -> dict[str, Any]:
        body = await read(request, How)
        rolled = await run_in_threadpool(memory.rollup, body.method, body.rank, body.session)
        return asdict(rolled)

    @routes.post("/verify")
    async def verify(request: Request) -> dict[str, list[str]]:
        body = await read(request, Repair)
        faults = await run_in_threadpool(memory.verify, body.repair)
        state.wake()
        return {"faults": faults}


def _document_name(name: str) -> str:
    """``name`` without the folders that a client may send. It is a name only, never a path."""
    bare = name.replace("\\", "/").rpartition("/")[2].strip()
    if not bare or len(bare) > _LONGEST_NAME or not bare.isprintable() or bare in (".", ".."):
        raise RefusedError(
            400,
            f"name {name[:40]!r}: give the document's file name, of at most {_LONGEST_NAME}"
            " characters",
            "document_name",
        )
    return bare
