"""Text of a model or a user within a markdown table."""

from __future__ import annotations

_SHOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in "\\`[]*_~|"}
)


def escaped(text: str) -> str:
    """One line that breaks no table and shows as it is, markup and all; line ends stay visible."""
    return " ⏎ ".join(text.strip().splitlines()).translate(_SHOWN)
