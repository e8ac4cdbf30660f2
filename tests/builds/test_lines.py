"""JSON Lines as the builders keep them."""

from __future__ import annotations

from pathlib import Path

from harness.builds import read_lines
from harness.builds._lines import write_lines


def test_a_line_separator_within_an_answer_is_no_end_of_line(tmp_path: Path) -> None:
    lines = [{"answer": "one\u2028two\x85three\n"}, {"answer": ""}]
    write_lines(tmp_path / "lines.jsonl", lines)
    assert read_lines(tmp_path / "lines.jsonl") == lines
