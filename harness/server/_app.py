"""The application: routes, their errors, and the guard around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from harness.errors import HarnessError
from harness.server import _chat, _errors, _memory, _page
from harness.server._guard import Guard
from harness.server._state import State


def application(state: State, host: str, token: str) -> ASGIApp:
    """What answers at ``host``; ``token`` empty: anyone there may ask."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(state.start)
        try:
            yield
        finally:
            await run_in_threadpool(state.stop)

    app = FastAPI(
        title="lora-memory-harness", openapi_url=None, docs_url=None, redoc_url=None, lifespan=life
    )
    app.include_router(_page.router())
    app.include_router(_chat.router(state))
    app.include_router(_memory.router(state))
    app.add_exception_handler(HarnessError, _errors.on_harness_error)
    app.add_exception_handler(RequestValidationError, _errors.on_invalid)
    app.add_exception_handler(HTTPException, _errors.on_http)
    app.add_exception_handler(Exception, _errors.on_fault)
    return Guard(app, host, token, state.limits)
