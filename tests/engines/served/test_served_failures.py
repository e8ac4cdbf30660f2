"""Servers that fail: one clear line each, and nothing lost of what was already answered."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from harness.engines import Engine, decoding
from harness.engines._openai import ServedEngine
from harness.errors import ModelError
from tests.engines.served.served_helpers import Reply, Request, Server, echo

GREEDY = decoding("deterministic")
PROMPTS = [f"p{i}" for i in range(12)]
ANSWERS = [[f"{prompt} 0"] for prompt in PROMPTS]


def refused(engine: Engine, line: str, **more: Any) -> pytest.ExceptionInfo[ModelError]:
    with pytest.raises(ModelError, match=line) as raised:
        engine.answer(PROMPTS[:3], GREEDY, **more)
    assert "\n" not in str(raised.value)
    return raised


def test_500_thrice_then_fine(serve: Callable[..., Server]) -> None:
    server = serve(
        lambda request, before: (
            Reply({"error": {"message": "oops"}}, 500) if before < 3 else echo(request)
        )
    )
    assert server.engine(concurrency=1).answer(PROMPTS[:2], GREEDY) == ANSWERS[:2]
    assert len(server.asked) == 3 + 2


def test_429_is_asked_again_after_the_time_that_the_server_says(
    serve: Callable[..., Server],
) -> None:
    came = []

    def busy(request: Request, before: int) -> Reply:
        came.append(time.monotonic())
        return (
            echo(request)
            if before
            else Reply({"error": {"message": "slow down"}}, 429, (("Retry-After", "2"),))
        )

    server = serve(busy)
    assert server.engine().answer(PROMPTS[:1], GREEDY) == ANSWERS[:1]
    assert came[1] - came[0] >= 1.9  # by itself the client would have waited half a second


def test_always_500(serve: Callable[..., Server]) -> None:
    server = serve(lambda request, before: Reply({"error": {"message": "out of\nmemory"}}, 500))
    refused(
        server.engine(retries=1),
        rf"server {server.url} answered 500 \(out of memory\): its log may say more",
    )


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (Reply("{broken"), r"sent no JSON \(.*\): see that it speaks OpenAI's API"),
        (
            Reply("<html>Welcome</html>", headers=(("Content-Type", "text/html"),)),
            r"sent no choices \(<html>Welcome",
        ),
        (Reply(""), "sent no JSON"),
        (Reply([]), "sent no choices"),
        (Reply({"object": "list"}), "sent no choices"),
        (Reply({"choices": []}), "sent no choices"),
        (Reply({"choices": "many"}), "sent no choices"),
        (Reply({"choices": [{"message": {"content": "chat"}}]}), "sent choices without text"),
        (Reply({"choices": [{"text": None}]}), "sent choices without text"),
        (Reply({"choices": ["text"]}), "sent choices without text"),
        (
            Reply({"choices": [], "more": "x" * 10_000}),
            r"sent no choices \(.{100,170}\.\.\.\): see",
        ),
    ],
)
def test_garbage(reply: Reply, line: str, serve: Callable[..., Server]) -> None:
    refused(serve(lambda request, before: reply).engine(), line)


def test_a_hanging_server(serve: Callable[..., Server]) -> None:
    def hang(request: Request, before: int) -> Reply:
        time.sleep(1.0)
        return echo(request)

    began = time.monotonic()
    refused(
        serve(hang).engine(timeout=0.2, retries=1),
        r"did not answer within 0\.2 s: allow it more time",
    )
    assert time.monotonic() - began < 10


def test_a_server_that_is_down(serve: Callable[..., Server]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
    with pytest.raises(
        ModelError, match=rf"server {url} cannot be reached \(.*refused.*\): start it"
    ):
        ServedEngine(f"openai:pocket@{url}", retries=1)


def test_a_wrong_key_is_never_shown(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("HARNESS_OPENAI_API_KEY", "sk-secret-123")

    def guarded(request: Request, before: int) -> Reply:
        return Reply({"error": {"message": f"Incorrect API key provided: {request.key}"}}, 401)

    server = serve(guarded)
    raised = refused(
        server.engine(),
        r"answered 401 \(.*\(the key\)\): put the key for it into HARNESS_OPENAI_API_KEY",
    )
    assert server.asked[0].key == "Bearer sk-secret-123"
    assert "sk-secret" not in "".join(traceback.format_exception(raised.value))
    assert "sk-secret" not in caplog.text


def test_a_key_that_is_none(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1 sk-2")
    with pytest.raises(
        ModelError, match="OPENAI_API_KEY holds characters that no key has"
    ) as raised:
        server.engine()
    assert "sk-" not in str(raised.value)


def test_an_unknown_model(serve: Callable[..., Server]) -> None:
    server = serve(
        lambda request, before: Reply({"object": "error", "message": "no such model"}, 404)
    )
    refused(server.engine("packet"), r"answered 404 \(no such model\): see that it serves 'packet'")
    assert len(server.asked) <= 3  # it will not help to ask again


@pytest.mark.parametrize("concurrency", [1, 4])
def test_after_a_failure_only_the_missing_are_asked_again(
    concurrency: int, serve: Callable[..., Server]
) -> None:
    down = [True]

    def fails_at_p7(request: Request, before: int) -> Reply:
        bad = request.body["prompt"] == "p7" and down[0]
        return Reply({"error": {"message": "out of memory"}}, 500) if bad else echo(request)

    server = serve(fails_at_p7)
    keep: dict[str, list[str]] = {}
    engine = server.engine(concurrency=concurrency, retries=0)
    with pytest.raises(
        ModelError,
        match=r"out of memory.*; (\d+) of 12 answers are kept, a rerun asks for the rest",
    ):
        engine.answer(PROMPTS, GREEDY, keep=keep)
    assert set(PROMPTS[:7]) <= keep.keys()
    assert "p7" not in keep
    assert set(server.prompts()) - {"p7"} == keep.keys()  # whatever was answered is there
    missing = [prompt for prompt in PROMPTS if prompt not in keep]
    down[0], before = False, len(server.asked)
    assert engine.answer(PROMPTS, GREEDY, keep=keep) == ANSWERS
    assert sorted(server.prompts()[before:]) == sorted(missing)
    assert engine.answer(PROMPTS, GREEDY, keep=keep) == ANSWERS
    assert len(server.asked) == before + len(missing)


def test_answers_under_way_at_a_failure_are_kept(serve: Callable[..., Server]) -> None:
    def slow(request: Request, before: int) -> Reply:
        if request.body["prompt"] == "p0":
            time.sleep(0.1)
            return Reply({"error": {"message": "no"}}, 500)
        time.sleep(0.4)
        return echo(request)

    server = serve(slow)
    keep: dict[str, list[str]] = {}
    with pytest.raises(ModelError, match="1 of 3 answers are kept"):
        server.engine(concurrency=2, retries=0).answer(PROMPTS[:3], GREEDY, keep=keep)
    assert keep == {"p1": ["p1 0"]}
    assert len(server.asked) == 2
