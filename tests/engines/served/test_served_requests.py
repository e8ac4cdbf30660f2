"""What is sent to a server, and what is taken from its replies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from time import sleep
from typing import Any

import pytest

from harness.engines import decoding
from harness.engines._openai import ServedEngine
from harness.engines._openai_client import Served, parse
from harness.errors import MissingExtraError, RecipeError
from tests.engines.served.served_helpers import Reply, Request, Server, echo

GREEDY = decoding("deterministic")
SAMPLED = replace(GREEDY, do_sample=True, temperature=0.7, num_return_sequences=3)


@pytest.mark.parametrize(
    ("text", "served"),
    [
        ("openai:pocket@http://localhost:8000/v1", Served("pocket", "http://localhost:8000/v1")),
        ("openai:org/name@main@https://host", Served("org/name@main", "https://host/v1")),
        (
            "openai-chat:a:b@http://[::1]:80/api/v1/",
            Served("a:b", "http://[::1]:80/api/v1", chat=True),
        ),
    ],
)
def test_names(text: str, served: Served) -> None:
    assert parse(text) == served
    assert parse(str(served)) == served


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("openai:pocket", "is not understood"),
        ("openai:@http://host/v1", "is not understood"),
        ("gpt:pocket@http://host/v1", "is not understood"),
        ("openai:pocket@ftp://host/v1", "write http://host:port/v1 or https"),
        ("openai:pocket@http:///v1", "no usable URL"),
        ("openai:pocket@http://host:99999/v1", "no usable URL"),
        ("openai:pocket@http://host/v1?key=1", "has a query"),
        ("openai:pocket@http://me:hunter2@host/v1", "has credentials in its URL"),
        ("openai:@http://me:hunter2@host/v1", "is not understood"),
    ],
)
def test_malformed_names(text: str, line: str) -> None:
    with pytest.raises(RecipeError, match=line) as raised:
        parse(text)
    assert "\n" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_answers_come_in_order_and_never_more_at_once_than_allowed(
    serve: Callable[..., Server],
) -> None:
    running, most = [0], [0]

    def slow(request: Request, before: int) -> Reply:
        with server.lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        sleep(0.02 if before % 3 else 0.08)
        with server.lock:
            running[0] -= 1
        return echo(request)

    server = serve(slow)
    prompts = [f"p{i}" for i in range(20)]
    assert server.engine(concurrency=3).answer([*prompts, "p0"], GREEDY) == [
        [f"{p} 0"] for p in [*prompts, "p0"]
    ]
    assert most[0] == 3
    assert sorted(server.prompts()) == sorted(prompts)


def test_decoding_in_the_words_of_the_api(serve: Callable[..., Server]) -> None:
    server = serve()
    asked = replace(
        SAMPLED,
        top_p=0.9,
        top_k=20,
        repetition_penalty=1.2,
        max_new_tokens=7,
        stop=("\n", "a", "b", "c", "d"),
    )
    server.engine().answer(["Who?"], asked)
    body = dict(server.asked[0].body)
    assert 0 <= body.pop("seed") < 2**31
    standard = {
        "model": "pocket",
        "prompt": "Who?",
        "n": 3,
        "max_tokens": 7,
        "temperature": 0.7,
        "top_p": 0.9,
    }
    more = {
        "top_k": 20,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repetition_penalty": 1.2,
        "repeat_penalty": 1.2,
    }
    assert body == {**standard, **more, "stop": ["\n", "a", "b", "c"], "repeat_last_n": -1}


def test_greedy_decoding(serve: Callable[..., Server]) -> None:
    server = serve()
    server.engine().answer(["Who?"], replace(GREEDY, stop=(), num_return_sequences=2))
    body = server.asked[0].body
    assert (body["n"], body["temperature"], body["top_p"], body["repetition_penalty"]) == (
        1,
        0.0,
        1.0,
        1.0,
    )
    assert not {"stop", "top_k", "min_p", "typical_p"} & body.keys()


def test_what_only_says_off_is_left_out_where_the_server_refuses_it(
    serve: Callable[..., Server],
) -> None:
    def strict(request: Request, before: int) -> Reply:
        unknown = request.body.keys() & {
            "min_p",
            "typical_p",
            "repetition_penalty",
            "repeat_penalty",
        }
        told = {
            "error": {
                "message": f"Unrecognized request argument supplied: {min(unknown, default='')}"
            }
        }
        return Reply(told, 400) if unknown else echo(request)

    server = serve(strict)
    engine = server.engine(concurrency=1)
    assert engine.answer(["a", "b"], replace(SAMPLED, top_k=5))[1] == ["b 0", "b 1", "b 2"]
    assert [request.body.get("top_k") for request in server.asked] == [5, 5, 5]
    with pytest.raises(
        Exception, match=r"answered 400 \(Unrecognized request argument supplied: repe"
    ):
        engine.answer(["c"], replace(SAMPLED, repetition_penalty=1.2))


def test_a_server_that_gives_one_text_at_a_time_is_asked_again(
    serve: Callable[..., Server],
) -> None:
    number = count()
    server = serve(lambda request, before: Reply({"choices": [{"text": f"text {next(number)}"}]}))
    assert server.engine().answer(["Who?"], SAMPLED) == [["text 0", "text 1", "text 2"]]
    assert [request.body["n"] for request in server.asked] == [3, 2, 1]
    assert len({request.body["seed"] for request in server.asked}) == 3


def test_stop_strings_are_cut_off_here_too(serve: Callable[..., Server]) -> None:
    server = serve(
        lambda request, before: Reply({"choices": [{"text": " Ludwig. \nQuestion: and"}]})
    )
    assert server.engine().answer(["Who?"], GREEDY) == [["Ludwig."]]
    assert server.engine().answer(["Who?"], replace(GREEDY, stop=("Q", "w"))) == [["Lud"]]


def test_the_chat_endpoint(serve: Callable[..., Server]) -> None:
    server = serve()
    assert server.engine(kind="openai-chat").answer(["Who?"], GREEDY) == [["Who? 0"]]
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "Who?"}]


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({}, "none"),
        ({"OPENAI_API_KEY": "theirs"}, "theirs"),
        ({"OPENAI_API_KEY": "theirs", "HARNESS_OPENAI_API_KEY": "ours\n"}, "ours"),
    ],
)
def test_the_key_comes_from_the_environment(
    environment: dict[str, Any],
    sent: str,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server.engine().answer(["Who?"], GREEDY)
    assert server.asked[0].key == f"Bearer {sent}"


def test_tokens_are_counted_by_the_server_where_it_can(serve: Callable[..., Server]) -> None:
    words = {"tokenize": lambda request: {"tokens": request.body["content"].split()}}
    assert serve(**words).engine().count(["one two", "three"]) == 3
    special = {
        "extras__tokenize__count": lambda request: {"count": 1 + len(request.body["input"].split())}
    }
    assert serve(**special).engine().count(["one two", "three"]) == 3
    assert serve().engine().count(["twelve bytes", "and 1"]) == 3 + 2


@pytest.mark.parametrize(
    "settings",
    [{"num_beams": 2}, {"no_repeat_ngram_size": 3}, {"bad_words": ("no",)}, {"eos": "."}],
)
def test_what_the_api_cannot(settings: dict[str, Any], serve: Callable[..., Server]) -> None:
    server = serve()
    with pytest.raises(RecipeError, match="a server's API"):
        server.engine().answer(["Who?"], replace(GREEDY, **settings))
    assert not server.asked


def test_a_missing_package_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(
        MissingExtraError, match=r"python -m pip install 'lora-memory-harness\[openai\]'"
    ):
        ServedEngine("openai:pocket@http://127.0.0.1:9/v1")
