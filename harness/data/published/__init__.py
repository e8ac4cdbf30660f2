"""Readers of published data sets in local files: knowledge edits, and question sets."""

from harness.data.published._edits import Edit, Question, read_edits
from harness.data.published._tasks import CHOICE, GENERATE, LIKELIHOOD, Item, Task, read_task

__all__ = [
    "CHOICE",
    "GENERATE",
    "LIKELIHOOD",
    "Edit",
    "Item",
    "Question",
    "Task",
    "read_edits",
    "read_task",
]
