"""What stands before every request: who may ask, from where, and how much it may send."""

from __future__ import annotations

import hmac
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.server._errors import RefusedError, response_of
from harness.server._limits import Limits
from harness.server._page import FILES

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
UPLOADS = "/memory/documents"
"""Where a request may be as long as a document."""
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """An ASGI application around another one.

    A request needs the token, where there is one. The page's own files need none: they hold
    nothing. Pages of other sites cannot ask, as ``Origin`` tells of them; nor can a name that
    someone lets point to this machine, as ``Host`` tells of it.
    """

    def __init__(self, app: ASGIApp, host: str, token: str, limits: Limits) -> None:
        self._app = app
        self._hosts = {*_LOOPBACK, host} if is_loopback(host) else set()
        self._token = token
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        most = self._limits.document if scope["path"] == UPLOADS else self._limits.body
        try:
            self._check(scope, Headers(scope=scope), most)
        except RefusedError as error:
            await response_of(error)(scope, receive, send_guarded)
            return
        await self._app(scope, _counted(receive, most), send_guarded)

    def _check(self, scope: Scope, headers: Headers, most: int) -> None:
        host = headers.get("host", "")
        if self._hosts and _name(host) not in self._hosts:
            raise RefusedError(
                403, f"host {host[:80]!r} is not this server: ask 127.0.0.1", "wrong_host"
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise RefusedError(
                403, f"a page of {origin[:80]!r} may not ask: open the server's own", "wrong_origin"
            )
        if self._token and scope["path"] not in FILES:
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                raise RefusedError(
                    401, "no or wrong token: send Authorization: Bearer TOKEN", "wrong_token"
                )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            raise _too_long(most)


def _name(host: str) -> str:
    """A ``Host`` header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _too_long(most: int) -> RefusedError:
    return RefusedError(413, f"the request is longer than {most} bytes: send less", "too_long")


def _counted(receive: Receive, most: int) -> Receive:
    """``receive``, for bodies that do not say how long they are."""
    left = most

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_long(most)
        return message

    return counted


def missing_token(host: str, token: str) -> bool:
    """Whether ``host`` is open to other machines without a token."""
    return not token and not is_loopback(host)
