"""The form of one answer that was left to run to the limit of its tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence


def first_line(text: str) -> str:
    """The answer proper: what stands before the first newline."""
    return text.partition("\n")[0].strip()


def stopped(text: str) -> bool:
    """Whether the answer came to an end by itself: by a newline before the limit."""
    return "\n" in text


def words(text: str) -> int:
    """Length of the answer proper."""
    return len(first_line(text).split())


def opening(text: str) -> str:
    """Its first two words, in lower case: the habit with which it begins."""
    return " ".join(first_line(text).lower().split()[:2])


def marked(text: str, marks: Sequence[str]) -> bool:
    """Whether any of ``marks`` stands in it as words of its own."""
    line = first_line(text).lower()
    return any(re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", line) for mark in marks)
