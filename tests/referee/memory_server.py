"""A small memory behind OpenAI's API: it keeps what each user told it, and answers from that."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request

from harness.memory.retrieval import Bm25

_TOLD = re.compile(r"(\w+ \w+) is the (.+)\.")


class MemoryServer:
    """What the users told, by user, in the order of the requests."""

    def __init__(self) -> None:
        self.told: defaultdict[str, list[list[str]]] = defaultdict(list)
        self.asked: list[tuple[str, str]] = []
        self.fails_after = 10**9
        """Questions that are answered before every further request fails."""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def complete(request: Request) -> dict[str, Any]:
            body = await request.json()
            texts = [message["content"] for message in body["messages"]]
            if len(self.asked) >= self.fails_after:
                raise HTTPException(400, "the memory is full")
            reply = self._reply(body["user"], texts)
            words = sum(len(text.split()) for text in texts)
            return {
                "choices": [{"message": {"role": "assistant", "content": reply}}],
                "usage": {"prompt_tokens": words, "completion_tokens": len(reply.split())},
            }

        return app

    def _reply(self, user: str, texts: list[str]) -> str:
        if texts[-1].startswith("(That was a conversation of"):
            self.told[user].append(texts)
            return "Noted."
        question = texts[-1].rpartition("Question: ")[2].partition("\n")[0]
        self.asked.append((user, question))
        turns = [text for session in self.told[user] for text in session if _TOLD.search(text)]
        if not turns or not (hits := Bm25(turns).search(question, 1)):
            return "Not mentioned."
        told = _TOLD.search(turns[hits[0].place])
        return told[1] if told else "Not mentioned."


@contextmanager
def serving(memory: MemoryServer) -> Iterator[str]:
    """The address of ``memory`` up to ``/v1``, while the block runs."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(memory.app(), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join()
