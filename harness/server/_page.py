"""The page: files of the package, each by a fixed name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_SCRIPTS = ("main.js", "chat.js", "memory.js", "curve.js", "elements.js", "server.js")
_NAMES = ("page.css", "icon.svg", *_SCRIPTS)
FILES = {"/": "page.html"} | {f"/page/{name}": name for name in _NAMES}
"""The file at each address; no other file is ever sent."""


@cache
def _content(name: str) -> bytes:
    return files("harness.server").joinpath("page", name).read_bytes()


def router() -> APIRouter:
    """The addresses of ``FILES``."""
    routes = APIRouter()
    for address, name in FILES.items():
        routes.add_api_route(address, _sender(name), methods=["GET"], response_model=None)
    return routes


def _sender(name: str) -> Callable[[], Response]:
    kind = _TYPES[name.rpartition(".")[2]]

    def send() -> Response:
        return Response(_content(name), media_type=f"{kind}; charset=utf-8")

    return send
