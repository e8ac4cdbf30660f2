"""Requests to a server that speaks OpenAI's HTTP API, and one line for each failure."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness.errors import MissingExtraError, ModelError, RecipeError

_KEYS = ("HARNESS_OPENAI_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; the first one that is set counts."""
_NO_KEY = "none"
"""Local servers need no key, but the client insists on one."""
_FORM = re.compile(r"(openai|openai-chat):(.+?)@([a-z][a-z0-9+.-]*://.*)", re.DOTALL)
_MAX_SHOWN = 160
"""Characters that a message shows of a server's reply."""
NOT_OPENAI = "see that it speaks OpenAI's API at this address"


@dataclass(frozen=True)
class Served:
    """A model by the name that a server gives it."""

    name: str
    url: str
    """Up to and including ``/v1``."""
    chat: bool = False
    """Whether prompts go to the chat endpoint, each as a user's message."""

    def __str__(self) -> str:
        return f"{'openai-chat' if self.chat else 'openai'}:{self.name}@{self.url}"

    @property
    def root(self) -> str:
        """The address of endpoints that llama-server and vLLM add to OpenAI's."""
        return self.url.removesuffix("/v1")


def parse(text: str) -> Served:
    """``openai:NAME@URL`` or ``openai-chat:NAME@URL``; a URL without a path gets ``/v1``.

    Raises:
        RecipeError: the text has another form, or its URL cannot be used.
    """
    match = _FORM.fullmatch(text.strip())
    shown = re.sub(r"//[^/]*@", "//...@", text.strip())  # a message must not show a password
    if not match:
        raise RecipeError(
            f"model {shown!r} is not understood: write openai:NAME@http://host:port/v1 (or"
            " openai-chat:)"
        )
    kind, name, url = match.groups()
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError where it is not a number
    except ValueError as error:
        raise RecipeError(
            f"model {shown!r} has no usable URL ({error}): write http://host:port/v1"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise RecipeError(
            f"model {shown!r} has credentials in its URL: put the key into {_KEYS[0]} instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", url):
        raise RecipeError(
            f"model {shown!r} has no usable URL: write http://host:port/v1 or https://..."
        )
    if parts.query or parts.fragment:
        raise RecipeError(
            f"model {shown!r} has a query or fragment in its URL: leave out what follows the path"
        )
    path = parts.path.rstrip("/") or "/v1"
    return Served(name, f"{parts.scheme}://{parts.netloc}{path}", kind == "openai-chat")


class RefusedError(ModelError):
    """The server refuses such a request; sending it again does not help."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code


class Client:
    """OpenAI's client: it retries with growing pauses, and waits as long as a server asks for."""

    def __init__(self, served: Served, timeout: float, retries: int) -> None:
        """``timeout`` is in seconds. Raises MissingExtraError, or ModelError for a broken key."""
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("openai", "openai") from error
        self.served = served
        self.timeout = timeout
        # the key is stored nowhere but in the client
        self._client: Any = openai.OpenAI(
            api_key=_key() or _NO_KEY, base_url=served.url, timeout=timeout, max_retries=retries
        )

    def request(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The decoded reply to a POST of ``body``, or to a GET without one.

        Raises:
            RefusedError: the server refused the request.
            ModelError: there was no reply, also after retries, or it is not JSON.
        """
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        try:
            if body is None:
                return self._client.get(path, cast_to=object)
            return self._client.post(path, cast_to=object, body=body)
        except APITimeoutError:
            advice = "allow it more time, or ask it less at once"
            failure = self.failure(f"did not answer within {self.timeout:g} s", None, advice)
        except APIConnectionError as error:
            cause = error.__cause__ or error
            failure = self.failure("cannot be reached", cause, "start it, or correct its address")
        except APIStatusError as error:
            model = (body or {}).get("model", self.served.name)
            failure = self._status_failure(error.status_code, error.body, model)
        except (ValueError, OpenAIError) as error:
            failure = self.failure("sent no JSON", error, NOT_OPENAI)
        # Raised outside the except block, so that the client's error is not chained to it: that
        # error repeats the server's text, in which the key may stand.
        raise failure

    def request_if_offered(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The decoded reply of an endpoint that not every server has, else None."""
        try:
            return self.request(path, body)
        except RefusedError:
            return None

    def failure(self, problem: str, reply: object, advice: str) -> ModelError:
        """One line: which server, what it replied (without the key), and what to do."""
        key: str = self._client.api_key
        text = "" if reply is None else str(reply)
        if key != _NO_KEY:
            text = text.replace(key, "(the key)")
        text = " ".join(text.split())
        shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
        quoted = f" ({shown})" if shown else ""
        return ModelError(f"server {self.served.url} {problem}{quoted}: {advice}")

    def _status_failure(self, code: int, body: Any, model: str) -> ModelError:
        reply = body
        if isinstance(body, dict):
            reply = body.get("message") or body.get("detail") or body
        if code in (401, 403):
            advice = f"put the key for it into {_KEYS[0]}"
        elif code == 404:
            advice = (
                f"see that it serves {model!r}, and has this endpoint (openai: or openai-chat:)"
            )
        elif code == 429:
            advice = "wait, or ask it less at once"
        elif code >= 500:
            advice = "its log may say more"
        else:
            advice = "change what it does not take"
        failure = self.failure(f"answered {code}", reply, advice)
        refused = 400 <= code < 500 and code not in (408, 409, 429)  # those three pass with time
        return RefusedError(str(failure), code) if refused else failure


def _key() -> str | None:
    """The key in the environment. Raises ModelError where it cannot be one."""
    for name in _KEYS:
        if key := os.environ.get(name, "").strip():
            if not key.isascii() or not key.isprintable() or " " in key:
                raise ModelError(
                    f"{name} holds characters that no key has: set it to the key alone"
                )
            return key
    return None
