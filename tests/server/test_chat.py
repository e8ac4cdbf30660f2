"""The API as OpenAI's own client uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("openai", reason="python -m pip install 'openai>=1.109'")

import openai
from openai import OpenAI

from tests.server.served import Server

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def client(asked: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{asked.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def session_of(completion: Any) -> str:
    """The session that the server says it was."""
    name: str = completion.model_extra["memory"]["session"]
    return name


def test_the_model_is_listed_with_its_format(client: OpenAI, asked: Server) -> None:
    (model,) = client.models.list().data
    assert model.id == "pocket" == client.models.retrieve("pocket").id
    assert model.model_extra and "Question: ... Answer:" in model.model_extra["format"]
    assert "Question: ... Answer:" in asked.line


def test_a_stream_joined_is_the_whole_reply(client: OpenAI) -> None:
    settings: Any = {"model": "pocket", "max_tokens": 24}
    whole = client.chat.completions.create(messages=[user(QUESTION)], user="whole", **settings)
    stream = client.chat.completions.create(
        messages=[user(QUESTION)],
        user="streamed",
        stream=True,
        stream_options={"include_usage": True},
        **settings,
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content != ""
    assert chunks[-1].usage == whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == whole.choices[0].finish_reason == "stop"
    assert not any(reasons[:-1])


def test_a_reply_that_may_have_few_tokens_is_cut(client: OpenAI) -> None:
    cut = client.chat.completions.create(
        model="pocket", messages=[user("Who won the award for Best Picture?")], max_tokens=1
    )
    assert cut.choices[0].finish_reason == "length"


def test_a_session_is_named_or_found_by_its_transcript(client: OpenAI, asked: Server) -> None:
    named = client.chat.completions.create(model="pocket", messages=[user("One?")], user="mine")
    assert session_of(named) == "mine"
    turns: list[Any] = [user("Two?")]
    first = client.chat.completions.create(model="pocket", messages=turns)
    session = session_of(first)
    assert session.startswith("chat-")
    said = {"role": "assistant", "content": first.choices[0].message.content}
    turns += [said, user("Three?")]
    second = client.chat.completions.create(model="pocket", messages=turns)
    assert session_of(second) == session
    other = client.chat.completions.create(model="pocket", messages=[user("Two?")])
    assert session_of(other) != session
    kept = [turn["text"] for turn in asked.get("/memory/turns", session=session)]
    assert [kept[0], kept[2]] == ["Two?", "Three?"]
    assert len(kept) == 4


@pytest.mark.parametrize(
    ("more", "error", "line"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "model 'gpt-4' is not served: ask 'pocket'"),
        ({"n": 2}, openai.BadRequestError, "n: "),
        ({"tools": [{"type": "function"}]}, openai.BadRequestError, "tools: "),
        ({"temperature": 3}, openai.BadRequestError, "temperature: "),
        ({"messages": []}, openai.BadRequestError, "messages: "),
        (
            {"messages": [{"role": "assistant", "content": "Yes."}]},
            openai.BadRequestError,
            "messages: the last one must be a user's",
        ),
        (
            {"messages": [{"role": "user", "content": "well " * 9000}]},
            openai.BadRequestError,
            "which leaves no room",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_mistakes_are_one_line(
    client: OpenAI, more: dict[str, object], error: type[openai.APIError], line: str, stream: bool
) -> None:
    settings: Any = {"model": "pocket", "messages": [user(QUESTION)], "stream": stream, **more}
    with pytest.raises(error) as caught:
        client.chat.completions.create(**settings)
    body: Any = caught.value.body
    message = body["message"]
    assert line in message
    assert "\n" not in message


def test_sampling_is_seeded(client: OpenAI) -> None:
    def said(seed: int, number: int) -> str | None:
        completion = client.chat.completions.create(
            model="pocket",
            messages=[user("Who directed the film?")],
            temperature=1.5,
            seed=seed,
            user=f"seeded {seed} {number}",
        )
        return completion.choices[0].message.content

    assert said(1, 0) == said(1, 1)
    assert len({said(seed, 0) for seed in range(4)}) > 1


def test_a_session_may_have_any_name(asked: Server) -> None:
    name = "Übung 100% 日"
    body = {"messages": [user("One?")], "user": name}
    response = asked.http.post("/v1/chat/completions", json=body)
    header = response.headers["x-session"]
    asked.http.post(
        "/v1/chat/completions", json={"messages": [user("Two?")]}, headers={"X-Session": header}
    ).raise_for_status()
    assert len(asked.get("/memory/turns", session=name)) == 4


def test_a_system_turn_counts_and_is_not_kept(client: OpenAI, asked: Server) -> None:
    def tokens(*turns: Any, session: str) -> int:
        completion = client.chat.completions.create(
            model="pocket", messages=[*turns, user(QUESTION)], user=session
        )
        assert completion.usage
        return completion.usage.prompt_tokens

    bare = tokens(session="bare")
    assert tokens({"role": "system", "content": "Be brief."}, session="system") > bare
    turns = asked.get("/memory/turns", session="system")
    assert [turn["role"] for turn in turns] == ["user", "assistant"]


def test_a_request_that_is_no_json_is_one_line(asked: Server) -> None:
    response = asked.http.post("/v1/chat/completions", content=b'{"messages": [')
    assert response.status_code == 400
    assert set(json.loads(response.text)["error"]) == {"message", "type", "param", "code"}
