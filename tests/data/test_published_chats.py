"""LoCoMo and LongMemEval are read as they are published, or refused in one line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from harness.data.published import (
    LONGMEMEVAL,
    ChatQuestion,
    ChatTurn,
    Conversation,
    read_chats,
    with_questions,
)
from harness.errors import DataError

DATA = os.environ.get("LORA_MEMORY_CHATS", "")
CHAT: dict[str, Any] = {
    "speaker_a": "Ann",
    "speaker_b": "Bob",
    "session_1_date_time": "1:56 pm on 8 May, 2023",
    "session_1": [
        {"speaker": "Ann", "dia_id": "D1:1", "text": "I moved to Varn."},
        {"speaker": "Bob", "dia_id": "D1:2", "text": "Look!", "blip_caption": "a photo of a dog"},
    ],
    "session_10_date_time": "9:00 am on 2 August, 2023",
    "session_10": [{"speaker": "Bob", "dia_id": "D10:1", "text": "I bought a boat."}],
    "session_2_date_time": "9:00 am on 1 June, 2023",
    "session_2": [{"speaker": "Ann", "dia_id": "D2:1", "text": "I am back."}],
    "session_11_date_time": "9:00 am on 3 August, 2023",
}
QA: list[dict[str, Any]] = [
    {"question": "When did Ann move?", "answer": 2023, "evidence": ["D1:1; D2:1"], "category": 2},
    {"question": "What does Bob sail?", "answer": "a boat", "evidence": ["D10:1"], "category": 4},
    {"question": "What does Ann sail?", "adversarial_answer": "a boat", "category": 5},
]
HAYSTACK: dict[str, Any] = {
    "question_id": "gpt4_1_abs",
    "question_type": "knowledge-update",
    "question": "How many boats do I have?",
    "answer": "You did not mention boats.",
    "question_date": "2023/06/01 (Thu) 10:00",
    "haystack_session_ids": ["s_2", "s_1"],
    "haystack_dates": ["2023/05/30 (Tue) 23:40", "2023/05/20 (Sat) 02:21"],
    "haystack_sessions": [
        [{"role": "user", "content": "I sold my bicycle.", "has_answer": True}],
        [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": ""}],
    ],
    "answer_session_ids": ["s_2"],
}


def written(tmp_path: Path, value: object, name: str = "26.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(value))
    return path


def test_locomo_is_read_from_a_file_a_conversation_and_from_the_published_list(
    tmp_path: Path,
) -> None:
    [alone] = read_chats(written(tmp_path, {**CHAT, "qa": QA}))
    listed = [{"sample_id": "26", "conversation": CHAT, "qa": QA}]
    assert read_chats(written(tmp_path, listed, "locomo10.json")) == [alone]
    assert [session.id for session in alone.sessions] == ["session_1", "session_2", "session_10"]
    assert alone.sessions[0].at == datetime(2023, 5, 8, 13, 56)
    assert alone.sessions[0].turns[1] == ChatTurn("Bob", "Look! [shares a photo of a dog]", "D1:2")
    assert alone.questions == (
        ChatQuestion(
            "26/1", "temporal", "When did Ann move?", "2023", True, evidence=("D1:1", "D2:1")
        ),
        ChatQuestion(
            "26/2", "single_hop", "What does Bob sail?", "a boat", True, evidence=("D10:1",)
        ),
        ChatQuestion("26/3", "adversarial", "What does Ann sail?", "a boat", False),
    )


def test_longmemeval_has_a_conversation_a_question_sorted_by_time(tmp_path: Path) -> None:
    answered = {**HAYSTACK, "question_id": "gpt4_2", "answer": 3}
    chats = read_chats(written(tmp_path, [HAYSTACK, answered], "longmemeval_s.json"))
    assert [chat.source for chat in chats] == [LONGMEMEVAL, LONGMEMEVAL]
    assert [session.id for session in chats[0].sessions] == ["s_1", "s_2"]
    assert [turn.text for turn in chats[0].sessions[0].turns] == ["Hello."]
    assert [question.answerable for chat in chats for question in chat.questions] == [False, True]
    assert chats[1].questions[0].answer == "3"
    assert chats[1].questions[0].when == "2023/06/01 (Thu) 10:00"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda chat: chat.pop("session_1_date_time"), "has no field 'session_1_date_time'"),
        (lambda chat: chat["session_1"][0].pop("speaker"), "session_1 1: has no field 'speaker'"),
        (lambda chat: chat["qa"][0].update(category=7), "category is 7: give one of 1, 2, 3, 4, 5"),
        (lambda chat: chat["qa"][1].pop("answer"), "qa 2: has no field 'answer'"),
        (lambda chat: chat.update(session_1="Hello"), "session_1 is 'Hello': write a list"),
        (lambda chat: [chat.pop(f"session_{n}") for n in (1, 2, 10)], "has no session_1: give a"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], line: str
) -> None:
    value = json.loads(json.dumps({**CHAT, "qa": QA}))
    change(value)
    path = written(tmp_path, value)
    with pytest.raises(DataError) as caught:
        read_chats(path)
    assert line in str(caught.value)
    assert str(caught.value).startswith(f"{path}") and "\n" not in str(caught.value)


def test_files_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no JSON file: give a folder with conversations"):
        read_chats(tmp_path)
    uneven = {**HAYSTACK, "haystack_dates": ["2023/05/30 (Tue) 23:40"]}
    with pytest.raises(DataError, match="haystack_sessions are not as many as haystack_dates"):
        read_chats(written(tmp_path, [uneven]))
    written(tmp_path, {**CHAT, "qa": QA}, "a.json")
    written(tmp_path, [{"sample_id": "a", "conversation": CHAT}], "26.json")
    with pytest.raises(DataError, match="has the conversation 'a' twice: remove one"):
        read_chats(tmp_path)


def test_fewer_questions_keep_the_shares_of_their_kinds() -> None:
    kinds = ["temporal"] * 60 + ["single_hop"] * 30 + ["adversarial"] * 10
    questions = tuple(ChatQuestion(str(n), kind, "", "", True) for n, kind in enumerate(kinds))
    chat = Conversation("a", "locomo", (), questions)
    fewer = with_questions(chat, 20).questions
    assert Counter(each.kind for each in fewer) == {
        "temporal": 12,
        "single_hop": 6,
        "adversarial": 2,
    }
    assert with_questions(chat, 0) == with_questions(chat, 500) == chat


@pytest.mark.skipif(not DATA, reason="needs LoCoMo: set LORA_MEMORY_CHATS to its folder")
def test_the_published_conversations_are_read_whole() -> None:
    for chat in read_chats(Path(DATA)):
        turns = {turn.id for session in chat.sessions for turn in session.turns}
        evidence = {name for question in chat.questions for name in question.evidence}
        assert len(chat.sessions) >= 10 and all(session.at for session in chat.sessions)
        assert evidence <= turns
        assert {question.kind for question in chat.questions} >= {"temporal", "adversarial"}
