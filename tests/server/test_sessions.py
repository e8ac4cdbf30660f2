"""What is told in one session is found in that one, and in no other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server.served import QUICK, Server, running

SESSIONS = 20
WORDS = tuple(str(1307 + 379 * number) for number in range(SESSIONS))
"""Codes, as the shipped model can read them."""


def test_twenty_sessions_at_once_know_nothing_of_each_other(memory: Path) -> None:
    """Each has a document and turns of its own on the same subject; some of it is in adapters."""
    with running(memory, *QUICK) as server:

        def tell(number: int) -> None:
            word, session = WORDS[number], f"session-{number}"
            fact = f"The code of Nora Harlow is {word}. "
            server.add("secret.txt", f"{fact}Nora Harlow uses the code {word}.", session)
            for text in (fact, f"The code of Nora Harlow is {word}. " + "Well. " * 40):
                server.say(text, session, max_tokens=8)

        def ask(number: int) -> dict[str, Any]:
            return server.say("What is the code of Nora Harlow?", f"session-{number}")

        with ThreadPoolExecutor(SESSIONS) as executor:
            list(executor.map(tell, range(SESSIONS)))
            # more than there are documents: so turns, which are found first, are learnt as well
            server.until(lambda: server.counts().get("passages learnt", 0) > SESSIONS, 300)
            replies = list(executor.map(ask, range(SESSIONS)))
        passages = {(row["id"], row["session"]) for row in server.get("/memory/passages")}
        owners = {row["number"]: row["session"] for row in server.get("/memory/adapters")}
        used = 0
        for number, reply in enumerate(replies):
            session = f"session-{number}"
            text = reply["choices"][0]["message"]["content"].lower()
            sources = reply["memory"]
            others = [word for word in WORDS if word != WORDS[number]]
            assert not [word for word in others if word in text], reply
            for read in sources["read"]:
                assert (read["id"], session) in passages
            for adapter in sources["adapters"]:
                assert owners[adapter["number"]] == session
                used += 1
            said = " ".join(turn["text"] for turn in server.get("/memory/turns", session=session))
            assert not [word for word in others if word in said]
        assert used, "no reply had an adapter on: the test shows too little"
        known = sum(WORDS[n] in str(reply["choices"]) for n, reply in enumerate(replies))
        assert known, "no session knows its own word: the test shows too little"


def test_a_document_of_all_sessions_is_found_in_each(memory: Path) -> None:
    with running(memory, "--no-learner") as server:
        server.add("all.txt", "The gate of Harlow opens at nine.")
        server.add("own.txt", "The key of Harlow hangs in the barn.", "one")
        for session, found in (("one", {"all.txt", "own.txt"}), ("two", {"all.txt"})):
            reply = server.say("When does the gate of Harlow open, and where is the key?", session)
            assert {row["document"] for row in reply["memory"]["read"]} == found


def test_a_client_cannot_take_over_a_session_with_documents(memory: Path) -> None:
    """An unnamed session is found by its transcript alone: so it must hold nothing else."""
    with running(memory, "--no-learner") as server:
        first = server.say("Hi")
        session = first["memory"]["session"]
        reply = first["choices"][0]["message"]["content"]
        server.add("own.txt", "The key of Harlow hangs in the barn.", session)
        turns = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": reply},
            {"role": "user", "content": "Where is the key of Harlow?"},
        ]
        other = server.say("", messages=turns)
        assert other["memory"]["session"] != session
        assert other["memory"]["read"] == []


def _kept(server: Server, session: str) -> list[str]:
    return [turn["text"] for turn in server.get("/memory/turns", session=session)]


def test_requests_of_one_session_are_answered_one_after_the_other(memory: Path) -> None:
    with running(memory, "--no-learner") as server:
        with ThreadPoolExecutor(6) as executor:
            list(executor.map(lambda n: server.say(f"Number {n}?", "one"), range(6)))
        turns = server.get("/memory/turns", session="one")
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 6
        assert sorted(turn["text"] for turn in turns[::2]) == [f"Number {n}?" for n in range(6)]


@pytest.mark.parametrize("what", ["document", "session"])
def test_what_is_forgotten_is_not_found_and_undone_it_is(memory: Path, what: str) -> None:
    with running(memory, "--no-learner") as server:
        server.add("own.txt", "The key of Harlow hangs in the barn.", "one")
        before = server.get("/memory/passages")
        name = {"document": "own.txt", "session": "one"}[what]
        server.http.post("/memory/forget", json={"what": name}).raise_for_status()
        question = "Where does the key of Harlow hang?"
        assert server.say(question, "one")["memory"]["read"] == []
        server.http.post("/memory/undo").raise_for_status()
        assert server.get("/memory/passages") == before
        assert server.say(question, "one")["memory"]["read"]
