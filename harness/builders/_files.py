"""The files of artefacts: names, and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ANSWERS = "answers.jsonl"
GRADES = "grades.jsonl"
LIKELIHOODS = "likelihoods.jsonl"
TIMINGS = "timings.jsonl"
VERDICTS = "verdicts.jsonl"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file. ``splitlines`` would also break at a U+2028 within an answer."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """One object a line, with sorted keys."""
    with path.open("w", encoding="utf-8") as stream:
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")
