"""A memory on a server is fed the sessions in order, asked, graded, and kept apart by user."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.published import Conversation, read_chats
from harness.errors import ModelError, RecipeError
from harness.referee import EndpointSystem, Referee, messages_of
from harness.store import Store
from tests.referee.invented import FACTS, write
from tests.referee.memory_server import MemoryServer, serving

pytest.importorskip("openai")


@pytest.fixture
def chats(tmp_path: Path) -> list[Conversation]:
    return read_chats(write(tmp_path / "chats", "ann-bob", "second"))


def test_sessions_arrive_in_order_under_one_user_a_conversation(
    chats: list[Conversation], tmp_path: Path
) -> None:
    memory = MemoryServer()
    with serving(memory) as url:
        referee = Referee(Store(tmp_path / "store"), chats)
        column = referee.ask(EndpointSystem(f"memory:small@{url}"))
    assert len(memory.told) == 2
    for sessions, chat in zip(memory.told.values(), chats, strict=True):
        assert [texts[-1] for texts in sessions] == [
            f"(That was a conversation of {session.when}. Remember it.)"
            for session in chat.sessions
        ]
        assert sessions[0][0] == f"Ann: I have news. {FACTS[0][0]} is the {FACTS[0][1]}."
    assert [user.rpartition("-")[0] for user in memory.told] == ["ann-bob", "second"]
    assert {each.answer for each in column.scored if each.question.answerable} == {
        person for person, _ in FACTS
    }
    assert column.mean(lambda each: each.published) == (1.0, *column.mean(lambda e: 1.0)[1:])  # type: ignore[index]
    assert column.invents is not None and column.invents.estimate == 0
    assert column.bytes is None and column.read and column.feeding > 0


def test_answers_are_kept_and_another_run_asks_nothing(
    chats: list[Conversation], tmp_path: Path
) -> None:
    memory = MemoryServer()
    with serving(memory) as url:
        first = Referee(Store(tmp_path), chats).ask(EndpointSystem(f"memory:small@{url}"))
        asked = len(memory.asked)
        second = Referee(Store(tmp_path), chats).ask(EndpointSystem(f"memory:small@{url}"))
        assert len(memory.asked) == asked == 10
        assert second == first
        Referee(Store(tmp_path), chats).ask(EndpointSystem(f"memory:small@{url}", asked="later"))
        assert len(memory.asked) == 2 * asked


def test_after_a_failure_a_conversation_is_fed_to_a_new_user(
    chats: list[Conversation], tmp_path: Path
) -> None:
    memory = MemoryServer()
    memory.fails_after = 3
    with serving(memory) as url:
        with pytest.raises(ModelError, match=r"answered 400 \(the memory is full\)"):
            Referee(Store(tmp_path), chats[:1]).ask(EndpointSystem(f"memory:small@{url}"))
        memory.fails_after = 10**9
        column = Referee(Store(tmp_path), chats[:1]).ask(EndpointSystem(f"memory:small@{url}"))
    assert len(memory.told) == 2 and len(column.scored) == 5
    assert len({user for user, _ in memory.asked[3:]}) == 1


def test_mistakes_are_one_line(chats: list[Conversation]) -> None:
    with pytest.raises(RecipeError, match="has no conversation: feed it one"):
        EndpointSystem("memory:small@http://127.0.0.1:9/v1").answer("Who?")
    with pytest.raises(ModelError, match=r"server http://127.0.0.1:9/v1 cannot be reached"):
        EndpointSystem("memory:small@http://127.0.0.1:9/v1").feed(chats[0])
    with pytest.raises(RecipeError, match="is not understood: write openai"):
        _ = EndpointSystem("memory:small").name


def test_speakers_are_roles_with_their_names_unless_they_are_roles_already(
    chats: list[Conversation],
) -> None:
    session = chats[0].sessions[0]
    assert [message["role"] for message in messages_of(session)] == ["user", "assistant", "user"]
    plain = session._replace(
        turns=tuple(
            turn._replace(speaker=("assistant", "user")[n]) for n, turn in enumerate(session.turns)
        )
    )
    assert [each["role"] for each in messages_of(plain)] == ["assistant", "user", "user"]
    assert messages_of(plain)[0]["content"] == session.turns[0].text
