"""Requests of OpenAI's chat completions, as far as this server answers them."""

from __future__ import annotations

import secrets
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from harness.recipes import Decoding
from harness.server._errors import RefusedError, invalid

M = TypeVar("M", bound=BaseModel)

_MOST_SEEDS = 2**31


class Part(BaseModel):
    """A part of a message; only text can be read."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A turn; fields such as ``name`` are not read."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream tells at its end."""

    include_usage: bool = False


class Kind(BaseModel):
    """Of ``response_format``."""

    type: Literal["text"]


class ChatRequest(BaseModel):
    """The fields that count. What cannot be done must stay at its default; others are ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str = ""
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str = ""
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    n: Literal[1] | None = None
    tools: list[Any] | None = Field(None, max_length=0)
    functions: list[Any] | None = Field(None, max_length=0)
    logprobs: Literal[False] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    response_format: Kind | None = None

    @property
    def system(self) -> str:
        """The text of the system turns."""
        roles = ("system", "developer")
        return "\n".join(each.text for each in self.messages if each.role in roles)

    @property
    def turns(self) -> list[tuple[str, str]]:
        """(role, text) of the other turns. Raises RefusedError where the last one asks nothing."""
        turns = [
            (each.role, each.text) for each in self.messages if each.role in ("user", "assistant")
        ]
        if not turns or turns[-1][0] != "user" or not turns[-1][1].strip():
            raise RefusedError(
                400, "messages: the last one must be a user's, with some text", "no_question"
            )
        return [turn for turn in turns if turn[1].strip()]

    def decoding(self, plain: bool, most: int) -> Decoding:
        """How the reply is generated: at temperature 0, or without one, the most probable token.

        ``most`` is the default number of new tokens, and the limit. A reply in a ``plain`` format
        ends with its line.
        """
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        lines = ("\n",) if plain else ()
        tokens = self.max_completion_tokens or self.max_tokens or most
        sampled = bool(self.temperature)
        seed = secrets.randbelow(_MOST_SEEDS) if self.seed is None else self.seed % _MOST_SEEDS
        return Decoding(
            max_new_tokens=min(tokens, most),
            do_sample=sampled,
            temperature=self.temperature or 1.0,
            top_p=self.top_p or 1.0,
            stop=tuple(dict.fromkeys([*lines, *(stop for stop in stops if stop)])),
            seed=seed if sampled else 0,
        )


async def read(request: Request, kind: type[M]) -> M:
    """The JSON of ``request``. Raises RefusedError in one line."""
    body = await request.body()
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
