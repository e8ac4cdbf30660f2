"""Records of other tools in JSON: their shapes, and the questions and answers in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataError

_QUESTIONS = ("question", "instruction", "prompt", "input", "query")
_ANSWERS = ("answer", "output", "completion", "response", "answers", "target")
ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), "assistant"),
    "system": "system",
}
"""Roles by the names that tools give them."""
SHAPES = (
    "alpaca (instruction, input, output), ShareGPT (conversations), OpenAI (messages), prompt and"
    " completion, question and answer, or text"
)


class Exchange(NamedTuple):
    """A question with its answer."""

    where: str
    """File and record, for messages."""
    question: str
    answer: str
    before: tuple[tuple[str, str], ...] = ()
    """Earlier questions and answers of the same conversation, oldest first."""


def json_records(path: Path, text: str) -> list[tuple[str, Any]]:
    """(place, record) of each item of a JSON list, of an object's only list, or of JSON Lines.

    ``text`` is the content of ``path``. Raises DataError where it is not JSON.
    """
    try:
        whole = json.loads(text)
    except ValueError as error:
        if path.suffix.lower() == ".json" and "Extra data" not in str(error):
            raise DataError(f"{path} is not JSON ({error}): correct it") from None
        return _json_lines(path, text)
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list)]
        whole = lists[0] if len(lists) == 1 and not shape_of(whole) else [whole]
    if not isinstance(whole, list):
        raise DataError(f"{path} holds no records: give {SHAPES}")
    return [(f"{path}, record {number}", record) for number, record in enumerate(whole, 1)]


def _json_lines(path: Path, text: str) -> list[tuple[str, Any]]:
    records = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        try:
            records.append((f"{path}, line {number}", json.loads(line)))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: is not JSON ({error}): correct it") from None
    return records


def lines_of(text: str) -> list[str]:
    """The lines of ``text``.

    ``str.splitlines`` would also split at form feeds and U+2028, which tools write within a line.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def shape_of(record: Any) -> str:
    """The shape of ``record``, named after the tool that writes it; empty where it is unknown."""
    if not isinstance(record, dict):
        return ""
    if record.get("messages") and isinstance(record["messages"], list):
        return "OpenAI messages"
    turns = record.get("conversations") or record.get("conversation")
    if turns and isinstance(turns, list):
        return "ShareGPT"
    if "instruction" in record and "output" in record:
        return "alpaca"
    question, answer = first_of(record, _QUESTIONS), first_of(record, _ANSWERS)
    # Records with these keys are for preference training or classification.
    if question and answer and not {"label", "chosen", "rejected"} & record.keys():
        return f"{question} and {answer}"
    return "text" if isinstance(record.get("text"), str) else ""


def first_of(record: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of ``names`` that ``record`` has, or an empty string."""
    return next((name for name in names if name in record), "")


def pair_of(where: str, record: Mapping[str, Any]) -> Exchange:
    """The question and the answer of ``record``, with its history.

    Raises DataError where one of them is empty or no text.
    """
    question_key, answer_key = first_of(record, _QUESTIONS), first_of(record, _ANSWERS)
    question, answer = text_of(where, record, question_key), text_of(where, record, answer_key)
    for key in ("input", "context"):
        if key != question_key and str(record.get(key) or "").strip():
            question = f"{question.strip()}\n{text_of(where, record, key).strip()}"
    history = record.get("history") or []
    if not all(isinstance(turn, list) and len(turn) == 2 for turn in history):
        raise DataError(f"{where}: history is not a list of [question, answer]: correct it")
    before = [(str(q).strip(), str(a).strip()) for q, a in history]
    return exchange_of(where, question, answer, before)


def exchange_of(
    where: str, question: str, answer: str, before: Sequence[tuple[str, str]] = ()
) -> Exchange:
    """``question`` and ``answer`` without blanks around them. Raises DataError on an empty one."""
    for name, value in (("question", question), ("answer", answer)):
        if not value.strip():
            raise DataError(f"{where}: the {name} is empty: give one")
    return Exchange(where, question.strip(), answer.strip(), tuple(before))


def count_answers(record: Mapping[str, Any]) -> int:
    """The number of answers that a record gives to its question."""
    value = record[first_of(record, _ANSWERS)]
    value = value.get("text", value) if isinstance(value, dict) else value
    plain = isinstance(value, list) and not any(isinstance(part, dict) for part in value)
    return max(1, len(value)) if plain else 1


def text_of(where: str, record: Mapping[str, Any], key: str) -> str:
    """A string, the first of several answers, or the text parts of a message.

    Raises DataError on anything else.
    """
    value = record[key]
    if isinstance(value, dict) and isinstance(value.get("text"), list):  # SQuAD's answers
        value = value["text"]
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        if odd := [part for part in value if part.get("type") != "text"]:
            part = odd[0]
            what = f"of type {part['type']!r}" if "type" in part else f"with {', '.join(part)}"
            raise DataError(f"{where}: {key} has a part {what}: only text can be trained")
        value = "".join(str(part.get("text", "")) for part in value)
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: {key} is {json.dumps(value)[:40]}: write a text")
    return str(value)
