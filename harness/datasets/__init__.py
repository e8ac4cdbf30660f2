"""Readers of published data sets, from local copies: edits of knowledge, and question sets."""

from harness.datasets._collections import read_edits
from harness.datasets._edits import Edit, Question
from harness.datasets._tasks import CHOICE, GENERATE, LIKELIHOOD, Item, Task, read_task

__all__ = ["CHOICE", "GENERATE", "LIKELIHOOD", "Edit", "Item", "Question", "Task", "read_edits", "read_task"]
