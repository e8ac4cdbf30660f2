"""A memory behind an OpenAI-compatible endpoint: it is fed the sessions in order, then asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from secrets import token_hex
from typing import Any

from harness.data.formats import split_thoughts
from harness.data.published import ChatSession, Conversation
from harness.engines import Client, Served, parse_served
from harness.errors import ModelError, RecipeError
from harness.referee._asking import instructed
from harness.referee._systems import Fed, Reply

_ANSWER_TOKENS = 64
_ROLES = ("user", "assistant")


@dataclass(eq=False)
class EndpointSystem:
    """A server with a memory of its own.

    Each session is one request to ``/chat/completions``, in order of time: its turns as messages,
    the first speaker as ``user`` and the second as ``assistant``, each with the speaker's name
    before the text, and at the end a user's message that says when the talk was. Its reply is
    ignored. The field ``user`` is the same in all requests of a conversation and new for each run,
    so the server knows what belongs together. A question is one more request under the same
    ``user``, with that question as its only message.
    """

    served: str
    """``memory:NAME@URL``."""
    timeout: float = 600.0
    """Seconds for one request; a server may learn before it replies."""
    asked: str = ""
    """The day on which it answers: kept answers go by it."""
    pause: float = 0.0
    """Seconds between the last session and the first question, for a server that learns later."""
    _user: str = field(default="", init=False)

    @property
    def name(self) -> str:
        """See ``System``."""
        return self._served.name

    @property
    def key(self) -> tuple[str, ...]:
        """See ``System``."""
        return (self._served.name, self._served.url, self.asked, str(self.pause))

    @property
    def resumes(self) -> bool:
        """See ``System``. Fed again, it is another user's memory."""
        return False

    def feed(self, conversation: Conversation) -> Fed:
        """See ``System``. Raises ModelError where the server fails."""
        self._user = f"{conversation.id}-{token_hex(4)}"
        began = time.perf_counter()
        read = [self._send(messages_of(session), 1)[1] for session in conversation.sessions]
        seconds = time.perf_counter() - began
        time.sleep(self.pause)
        return Fed(seconds, None, None if None in read else sum(filter(None, read)))

    def answer(self, question: str) -> Reply:
        """See ``System``. Raises ModelError where the server fails."""
        if not self._user:
            raise RecipeError(f"{self.name} has no conversation: feed it one")
        began = time.perf_counter()
        message = {"role": "user", "content": instructed(question)}
        text, read, written = self._send([message], _ANSWER_TOKENS)
        seconds = time.perf_counter() - began
        return Reply(split_thoughts(text)[1].strip(), seconds, read, written)

    def _send(
        self, messages: list[dict[str, str]], tokens: int
    ) -> tuple[str, int | None, int | None]:
        """(reply, tokens read, tokens written); the counts where the server gives them."""
        body: dict[str, Any] = {
            "model": self._served.name,
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0,
            "user": self._user,
        }
        reply = self._client.request("/chat/completions", body)
        try:
            text = reply["choices"][0]["message"]["content"] or ""
        except (TypeError, KeyError, IndexError) as error:
            raise ModelError(
                f"server {self._served.url} sent no chat completion: see that it speaks OpenAI's"
                " API at this address"
            ) from error
        usage = reply.get("usage") or {}
        return str(text), usage.get("prompt_tokens"), usage.get("completion_tokens")

    @cached_property
    def _served(self) -> Served:
        return parse_served(self.served.replace(PREFIX, "openai-chat:", 1))

    @cached_property
    def _client(self) -> Client:
        return Client(self._served, self.timeout, retries=2)


PREFIX = "memory:"
"""How the name of an endpoint begins among systems: ``memory:NAME@URL``."""


def messages_of(session: ChatSession) -> list[dict[str, str]]:
    """``session`` as messages; the last one, a user's, says when it was."""
    speakers = list(dict.fromkeys(turn.speaker for turn in session.turns))
    are_roles = set(speakers) <= set(_ROLES)
    messages: list[dict[str, str]] = []
    for turn in session.turns:
        role = turn.speaker if are_roles else _ROLES[min(speakers.index(turn.speaker), 1)]
        text = turn.text if are_roles else f"{turn.speaker}: {turn.text}"
        messages.append({"role": role, "content": text})
    end = f"(That was a conversation of {session.when}. Remember it.)"
    return [*messages, {"role": "user", "content": end}]
