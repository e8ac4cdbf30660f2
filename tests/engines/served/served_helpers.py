"""Small HTTP servers that behave as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, NamedTuple

from harness.engines._openai import ServedEngine


class Request(NamedTuple):
    """What a server was asked."""

    path: str
    body: Any
    key: str


class Reply(NamedTuple):
    """What it says; ``body`` as JSON unless it is a string."""

    body: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Behaviour = Callable[[Request, int], Reply]
"""From a POST to a completions endpoint, and how many came before, to the reply."""


class Server:
    """A real HTTP server. Endpoints in ``pages`` are as given, completions are up to ``behaviour``,
    others are 404."""

    def __init__(self, behaviour: Behaviour, pages: dict[str, Any]) -> None:
        self.asked: list[Request] = []
        self.lock = Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.say(pages_reply(self.path))

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.path, json.loads(raw), self.headers.get("Authorization", ""))
                if not self.path.endswith("completions"):
                    self.say(pages_reply(self.path, request))
                    return
                with server.lock:
                    before = len(server.asked)
                    server.asked.append(request)
                self.say(behaviour(request, before))

            def say(self, reply: Reply) -> None:
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                self.send_response(reply.status)
                for name, value in (("Content-Type", "application/json"), *reply.headers):
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        def pages_reply(path: str, request: Request | None = None) -> Reply:
            page = pages.get(path, Reply({"detail": "Not Found"}, 404))
            made = page(request) if callable(page) else page
            return made if isinstance(made, Reply) else Reply(made)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that gave up

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def prompts(self) -> list[str]:
        return [request.body["prompt"] for request in self.asked]

    def engine(self, name: str = "pocket", kind: str = "openai", **settings: Any) -> ServedEngine:
        return ServedEngine(f"{kind}:{name}@{self.url}", **settings)


def echo(request: Request, before: int = 0) -> Reply:
    """``n`` answers that tell the prompt."""
    said = request.body.get("prompt") or request.body["messages"][0]["content"]
    texts = [f" {said} {i}" for i in range(request.body["n"])]
    chat = request.path.endswith("chat/completions")
    return Reply({"choices": [{"message": {"content": t}} if chat else {"text": t} for t in texts]})
