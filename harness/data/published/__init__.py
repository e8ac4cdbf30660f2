"""Readers of published data sets in local files: knowledge edits, question sets, long chats."""

from harness.data.published._chats import (
    LOCOMO,
    LONGMEMEVAL,
    ChatQuestion,
    ChatSession,
    ChatTurn,
    Conversation,
    read_chats,
    with_questions,
)
from harness.data.published._edits import Edit, Question, read_edits
from harness.data.published._tasks import CHOICE, GENERATE, LIKELIHOOD, Item, Task, read_task

__all__ = [
    "CHOICE",
    "GENERATE",
    "LIKELIHOOD",
    "LOCOMO",
    "LONGMEMEVAL",
    "ChatQuestion",
    "ChatSession",
    "ChatTurn",
    "Conversation",
    "Edit",
    "Item",
    "Question",
    "Task",
    "read_chats",
    "read_edits",
    "read_task",
    "with_questions",
]
