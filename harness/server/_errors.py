"""Errors as JSON in the shape of OpenAI's API, each in one line."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from harness.errors import DataError, HarnessError, RecipeError, first_line

_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class RefusedError(HarnessError):
    """A request that is not answered, with its HTTP status."""

    def __init__(self, status: int, line: str, code: str) -> None:
        super().__init__(line)
        self.status = status
        self.code = code


def body_of(error: HarnessError) -> dict[str, Any]:
    """The JSON of ``error``: ``{"error": {"message", "type", "param", "code"}}``."""
    status, code = _status(error)
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": code}}


def response_of(error: HarnessError) -> JSONResponse:
    """What a client gets for ``error``."""
    status, _ = _status(error)
    headers = {"Retry-After": "1"} if status == 429 else None
    return JSONResponse(body_of(error), status, headers)


def _status(error: HarnessError) -> tuple[int, str]:
    if isinstance(error, RefusedError):
        return error.status, error.code
    if isinstance(error, DataError | RecipeError):
        return 400, "invalid_value"
    return 503, "unavailable"


def invalid(error: ValidationError | RequestValidationError) -> RefusedError:
    """The first mistake in a request's fields."""
    first: ErrorDetails | dict[str, Any] = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    what = f"{place}: " if place else ""
    return RefusedError(400, f"{what}{first['msg']}: see docs/how-to/serve.md", "invalid_request")


async def on_harness_error(request: Request, error: Exception) -> JSONResponse:
    """Of FastAPI: an error that the user can correct."""
    assert isinstance(error, HarnessError)
    return response_of(error)


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Of FastAPI: a query that has not the right form."""
    assert isinstance(error, RequestValidationError)
    return response_of(invalid(error))


async def on_http(request: Request, error: Exception) -> JSONResponse:
    """Of FastAPI: no such address or method."""
    assert isinstance(error, HTTPException)
    line = f"{request.method} {request.url.path}: {error.detail}, see docs/how-to/serve.md"
    return response_of(RefusedError(error.status_code, line, "not_found"))


async def on_fault(request: Request, error: Exception) -> JSONResponse:
    """Of FastAPI: a fault of the server; its log has the traceback."""
    return response_of(as_told(error))


def as_told(error: Exception) -> HarnessError:
    """``error`` as a client is told of it."""
    if isinstance(error, HarnessError):
        return error
    line = f"the server failed ({type(error).__name__}: {first_line(error)}): see its log"
    return RefusedError(500, line, "fault")
