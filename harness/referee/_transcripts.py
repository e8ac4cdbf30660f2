"""Answers of systems, kept in files: a run that was ended goes on, and nothing is asked twice."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from harness.data.published import ChatQuestion, Conversation
from harness.errors import StoreError
from harness.recipes import canonical, sha256
from harness.referee._asking import ALIKE, chosen, worded
from harness.referee._systems import Fed, Reply, System

VERSION = 1
"""Of the way of asking; part of every key."""


class Transcript(NamedTuple):
    """What a system answered about one conversation."""

    system: str
    conversation: str
    fed: Fed
    replies: dict[str, Reply]
    """By the id of the question."""


Watch = Callable[[str, int, int], None]
"""Called with the conversation, the number of answers, and of questions."""


def transcript(
    system: System,
    conversation: Conversation,
    folder: Path,
    style: str = ALIKE,
    watch: Watch = lambda *_: None,
) -> Transcript:
    """The answers of ``system`` to the questions of ``conversation``, from ``folder`` or asked now.

    Raises:
        StoreError: the folder cannot be written, or a file in it is damaged.
        HarnessError: as the system.
    """
    words = (_word(system.name), _word(conversation.id), _key(system, conversation, style))
    file = folder / f"{'-'.join(words)}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):  # of two workers the second reads what the first has kept
            return _asked_about(system, conversation, file, style, watch)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}): give a --store that can"
        ) from error


def _asked_about(
    system: System, conversation: Conversation, file: Path, style: str, watch: Watch
) -> Transcript:
    fed, replies = _read(file)
    left = [each for each in conversation.questions if each.id not in replies]
    if fed and not left:
        return Transcript(system.name, conversation.id, fed, replies)
    if not system.resumes:  # fed again it is another memory, which every question must be asked
        replies, left = {}, list(conversation.questions)
        file.unlink(missing_ok=True)
    watch(conversation.id, len(replies), len(conversation.questions))
    again = system.feed(conversation)
    if not fed or not system.resumes:
        fed = again
        _append(file, {"fed": fed._asdict()})
    for question in left:
        replies[question.id] = _asked(system, question, style)
        _append(file, {"id": question.id, **replies[question.id]._asdict()})
        watch(conversation.id, len(replies), len(conversation.questions))
    return Transcript(system.name, conversation.id, fed, replies)


def _asked(system: System, question: ChatQuestion, style: str) -> Reply:
    reply = system.answer(worded(question, style))
    return reply._replace(text=chosen(question, reply.text, style))


def _key(system: System, conversation: Conversation, style: str) -> str:
    chat = [[session.when, session.turns] for session in conversation.sessions]
    # which questions are asked is not in the key: more of them add to the same file
    return sha256(canonical([VERSION, system.key, chat, style]))[:16]


def _word(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def _append(file: Path, record: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _read(file: Path) -> tuple[Fed | None, dict[str, Reply]]:
    """What the file holds; a last line that a kill has cut off is dropped."""
    if not file.exists():
        return None, {}
    text = file.read_text(encoding="utf-8")
    whole, _, cut = text.rpartition("\n")
    if cut:
        file.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    fed: Fed | None = None
    replies: dict[str, Reply] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record = json.loads(line)
            if "fed" in record:
                fed = Fed(**record["fed"])
            else:
                name = record.pop("id")
                replies[name] = Reply(**{**record, "passages": tuple(record["passages"])})
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{file}, line {number}: is damaged: remove the file") from error
    return fed, replies
