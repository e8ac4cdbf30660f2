"""Long chats with questions on them: LoCoMo and LongMemEval, in the files that are published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.published._edits import Record, parsed, records
from harness.data.times import time_of
from harness.data.user_files import decoded
from harness.errors import DataError

LOCOMO, LONGMEMEVAL = "locomo", "longmemeval"
CATEGORIES = {
    1: "multi_hop",
    2: "temporal",
    3: "open_domain",
    4: "single_hop",
    5: "adversarial",
}
"""LoCoMo's categories of questions by their numbers, as its paper names them."""
_ABSTENTION = "_abs"
_MOST_SESSIONS = 1000


class ChatTurn(NamedTuple):
    """What one side says in a session."""

    speaker: str
    """A name; in LongMemEval ``user`` or ``assistant``."""
    text: str
    """With what a shared image shows, as ``[shares a photo of a dog]``."""
    id: str = ""
    """``D3:7`` in LoCoMo, by which evidence names it."""


class ChatSession(NamedTuple):
    """One talk without a break."""

    id: str
    when: str
    """The date and time as the file has it."""
    turns: tuple[ChatTurn, ...]

    @property
    def at(self) -> datetime | None:
        """``when``, read; None where it cannot be."""
        return time_of(self.when)


class ChatQuestion(NamedTuple):
    """A question on a whole conversation."""

    id: str
    kind: str
    """LoCoMo's category or LongMemEval's type."""
    text: str
    answer: str
    """The published answer; where the question has none, what a fooled reader would say, or why
    there is none."""
    answerable: bool
    """False where the conversation does not say: to abstain is right."""
    when: str = ""
    """The date of the question, where it has one."""
    evidence: tuple[str, ...] = ()
    """Ids of the turns (LoCoMo) or sessions (LongMemEval) that tell."""


class Conversation(NamedTuple):
    """A chat over many sessions, and the questions on it."""

    id: str
    source: str
    """``LOCOMO`` or ``LONGMEMEVAL``."""
    sessions: tuple[ChatSession, ...]
    """In order of time."""
    questions: tuple[ChatQuestion, ...]


def read_chats(path: Path) -> list[Conversation]:
    """The conversations of a JSON file, or of all JSON files in a folder, by name.

    LoCoMo: one object a conversation, alone or in a list, with the sessions at the top or under
    ``conversation``. LongMemEval: a list of records, each with a question and its own haystack.

    Raises:
        DataError: the path cannot be read, has no conversation, or a field is missing or wrong.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} has no JSON file: give a folder with conversations")
    found = [conversation for file in files for conversation in _of_file(file)]
    ids = [conversation.id for conversation in found]
    if twice := next((name for name in ids if ids.count(name) > 1), ""):
        raise DataError(f"{path} has the conversation {twice!r} twice: remove one")
    return found


def _of_file(path: Path) -> Iterator[Conversation]:
    text = decoded(path, "a JSON file")
    if text.lstrip().startswith("{"):
        yield _locomo(Record(f"{path}:", parsed(path, text)), path.stem)
        return
    for record in records(path):
        if "question_id" in record:
            yield _longmemeval(record)
        else:
            name = str(record.fields.get("sample_id") or f"{path.stem}-{record.where}")
            yield _locomo(record, name)


def _locomo(record: Record, name: str) -> Conversation:
    chat = record.record("conversation") if "conversation" in record else record
    numbers = sorted(
        int(match[1]) for key in chat.fields if (match := re.fullmatch(r"session_(\d+)", key))
    )
    if not numbers:
        raise DataError(f"{chat.where} has no session_1: give a conversation of LoCoMo")
    sessions = tuple(
        ChatSession(
            f"session_{number}",
            chat.text(f"session_{number}_date_time"),
            tuple(map(_locomo_turn, chat.records(f"session_{number}"))),
        )
        for number in numbers[:_MOST_SESSIONS]
    )
    questions = tuple(
        _locomo_question(question, f"{name}/{number}")
        for number, question in enumerate(record.records("qa"), 1)
    )
    return Conversation(name, LOCOMO, sessions, questions)


def _locomo_turn(record: Record) -> ChatTurn:
    text = str(record.fields.get("text") or "").strip()
    if record.fields.get("blip_caption"):
        text = f"{text} [shares {record.text('blip_caption')}]".strip()
    return ChatTurn(record.text("speaker"), text, str(record.fields.get("dia_id", "")))


def _locomo_question(record: Record, name: str) -> ChatQuestion:
    category = record.fields.get("category")
    if category not in CATEGORIES:
        known = ", ".join(map(str, CATEGORIES))
        raise DataError(f"{record.where} category is {category!r}: give one of {known}")
    answerable = category != 5
    key = "answer" if answerable or "adversarial_answer" not in record else "adversarial_answer"
    evidence = record.fields.get("evidence") or []
    return ChatQuestion(
        name,
        CATEGORIES[category],
        record.text("question"),
        _answer(record, key),
        answerable,
        evidence=tuple(re.findall(r"D\d+:\d+", " ".join(map(str, evidence)))),
    )


def _longmemeval(record: Record) -> Conversation:
    name = record.text("question_id")
    dates = record.texts("haystack_dates")
    haystack = record.fields.get("haystack_sessions")
    if not isinstance(haystack, list) or len(haystack) != len(dates):
        raise DataError(f"{record.where} haystack_sessions are not as many as haystack_dates")
    ids = [str(each) for each in record.fields.get("haystack_session_ids") or range(len(dates))]
    sessions = [
        ChatSession(session_id, when, tuple(_longmemeval_turns(record, number, session)))
        for number, (session_id, when, session) in enumerate(
            zip(ids, dates, haystack, strict=True), 1
        )
    ]
    question = ChatQuestion(
        name,
        record.text("question_type"),
        record.text("question"),
        _answer(record, "answer"),
        _ABSTENTION not in name,
        str(record.fields.get("question_date") or ""),
        tuple(map(str, record.fields.get("answer_session_ids") or ())),
    )
    # the file with the evidence alone is not sorted
    ordered = sorted(sessions, key=lambda session: session.at or datetime.min)
    return Conversation(name, LONGMEMEVAL, tuple(ordered), (question,))


def _longmemeval_turns(record: Record, number: int, session: Any) -> Iterator[ChatTurn]:
    where = f"{record.where.removesuffix(':')}, session {number}"
    if not isinstance(session, list):
        raise DataError(f"{where} is not a list of turns: write [...]")
    for place, turn in enumerate(session, 1):
        said = Record(f"{where}, turn {place}:", turn)
        if text := str(said.fields.get("content") or "").strip():  # some turns are empty
            yield ChatTurn(said.text("role"), text)


def _answer(record: Record, key: str) -> str:
    """Years are numbers in the files."""
    value = record.fields.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return record.text(key)


def with_questions(conversation: Conversation, count: int) -> Conversation:
    """``conversation`` with ``count`` of its questions (0: all), spread over it and its kinds.

    The questions of each kind are taken at even distances, as many of it as its share.
    """
    total = len(conversation.questions)
    if not 0 < count < total:
        return conversation
    ordered = sorted(conversation.questions, key=lambda question: question.kind)
    places = sorted({round((number + 0.5) * total / count - 0.5) for number in range(count)})
    chosen = {ordered[place].id for place in places}
    kept: Sequence[ChatQuestion] = [each for each in conversation.questions if each.id in chosen]
    return conversation._replace(questions=tuple(kept))
