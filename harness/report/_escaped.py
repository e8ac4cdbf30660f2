"""Text of a model or a user within a markdown table."""

from __future__ import annotations


def escaped(text: str) -> str:
    """One line that breaks no table; newlines stay visible."""
    return text.strip().replace("\n", " ⏎ ").replace("|", "\\|")
