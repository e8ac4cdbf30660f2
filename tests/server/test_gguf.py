"""A memory on a GGUF file: llama.cpp replies, and takes adapters on and off while it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("llama_cpp")

from harness.models.gguf import convert_base
from harness.models.loading import SHIPPED
from tests.server.served import running

HOW = ("--set", "how=plain", "--set", "policy=lora", "--set", "training.epochs=30")


def test_adapters_are_swapped_while_llamacpp_serves(memory: Path, tmp_path: Path) -> None:
    file = tmp_path / "pocket.gguf"
    convert_base(SHIPPED, file)
    question = "What does the zorbit of Harlow weigh?"
    with running(memory, *HOW, model=file) as server:
        assert server.get("/memory")["engine"] == "gguf"
        bare = server.say(question, "before")
        assert bare["memory"]["adapters"] == []
        for session, weight in (("one", 47), ("two", 92)):
            fact = f"Question: {question}\nAnswer: {weight} kilograms\n"
            server.add("zorbit.txt", fact, session)
        server.learnt()
        answers = {session: server.say(question, session) for session in ("one", "two", "other")}
        on = {session: reply["memory"]["adapters"] for session, reply in answers.items()}
        assert [len(on[session]) for session in ("one", "two", "other")] == [1, 1, 0]
        assert on["one"] != on["two"]
        texts = {session: reply["choices"][0]["message"] for session, reply in answers.items()}
        assert texts["one"] != texts["two"]
        assert texts["other"] == bare["choices"][0]["message"]
