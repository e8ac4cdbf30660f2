"""Documents as people have them: text, Markdown, PDF, and chats in JSON or plain text."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

from harness.data.records import (
    ROLES,
    SHAPES,
    first_of,
    json_records,
    pair_of,
    shape_of,
    text_of,
)
from harness.data.times import time_of
from harness.data.user_files import decoded_bytes
from harness.errors import DataError, first_line
from harness.memory.chat_logs import read_chat_log
from harness.memory.passages import SIZE, Passage, Turn, spans, split

LARGEST = 32 * 2**20
"""Bytes of a document at most."""
_MARKDOWN = (".md", ".markdown")
_TEXT = (".txt", ".text", ".log", ".rst", "", *_MARKDOWN)
_JSON = (".json", ".jsonl", ".ndjson")
_WANTED = "give .txt, .md, .pdf, .json or .jsonl"
_TIMES = ("timestamp", "created_at", "create_time", "datetime", "date", "time", "at")
"""Keys under which tools write when a message was sent."""
_FULL = 0.6
"""Length of a line that only the width of its page has ended, of the longest line, at least."""
_ENDS = (".", "!", "?", ":", ";")
_FOREIGN = re.compile(r"%PDF-|\s*<(?:!doctype|html|\?xml)\b|\{\\rtf", re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """The content of a document: a text, or the turns of a chat."""

    name: str
    """Under which a memory keeps it."""
    text: str = ""
    turns: tuple[Turn, ...] = ()
    left_out: tuple[str, ...] = ()
    """What was not taken, in words: ``2 system messages left out``."""

    @property
    def kind(self) -> str:
        """``chat`` or ``text``."""
        return "chat" if self.turns else "text"

    def passages(self, size: int = SIZE) -> tuple[Passage, ...]:
        """The document in passages of at most ``size`` characters: see ``split`` and ``spans``."""
        if self.turns:
            return spans(self.turns, size, self.name)
        return split(self.text, size, self.name)


def read_document(source: Path | bytes, name: str = "") -> Document:
    """The document in the file ``source``, or in its bytes.

    The suffix of ``name`` says what it is; of a file, ``name`` is by default the file's own. Text
    files with lines ``Name: text`` are chats.

    Raises:
        DataError: it cannot be read, is empty, larger than 32 MiB, encrypted, without text, of an
            unknown suffix or shape, or not what its suffix says. One line with the name.
    """
    if isinstance(source, Path):
        shown, name = str(source), name or source.name
        data = _bytes_of(source)
    else:
        shown, data = name, source
    if len(data) > LARGEST:
        raise DataError(_too_large(shown, len(data)))
    if not data.strip():
        raise DataError(f"{shown} is empty: give it some text")
    suffix = Path(name).suffix.lower()
    if suffix == ".pdf":
        return Document(name, text=_pdf_text(shown, data))
    if suffix in _JSON:
        return _of_records(name, shown, decoded_bytes(data, shown, "a JSON file"))
    if suffix not in _TEXT:
        raise DataError(f"{shown}: suffix {suffix!r} is unknown: {_WANTED}")
    if foreign := _FOREIGN.match(data[:100].decode("latin-1").removeprefix("\u00ef\u00bb\u00bf")):
        begins = foreign[0].strip()
        raise DataError(f"{shown} begins with {begins!r}, so it is not plain text: {_WANTED}")
    text = decoded_bytes(data, shown, "a text file")
    return _of_text(name, shown, text, suffix)


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST:  # said before it is in memory
            raise DataError(_too_large(str(path), size))
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give a document") from error


def _too_large(shown: str, size: int) -> str:
    limit = LARGEST // 2**20
    return f"{shown} has {ceil(size / 2**20)} MiB: give {limit} MiB or less, or split it"


def _of_text(name: str, shown: str, text: str, suffix: str) -> Document:
    if not text.strip():
        raise DataError(f"{shown} is empty: give it some text")
    log = None if suffix in _MARKDOWN else read_chat_log(text)
    if log is None:
        return Document(name, text=text)
    notices = (_count(log.notices, "notice"),) if log.notices else ()
    return Document(name, turns=log.turns, left_out=notices)


def _pdf_text(shown: str, data: bytes) -> str:
    """The text of all pages; a form feed ends a page."""
    # Imported late: most documents are no PDF.
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every fault that it mends
    if b"%PDF-" not in data[:1024]:
        raise DataError(f"{shown} is not a PDF: save it as PDF, or name it .txt")
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DataError(f"{shown} is encrypted: save it without a password")
        pages = [page.extract_text() for page in reader.pages]
    except DependencyError as error:
        raise DataError(f"{shown} is encrypted: save it without encryption") from error
    except DataError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        # a damaged file makes pypdf fail with any of these
        raise DataError(f"{shown} is a damaged PDF ({first_line(error)}): save it again") from error
    text = "\f".join(_unwrapped(page) for page in pages)
    if not text.strip():
        raise DataError(f"{shown} holds no text, perhaps only scans: run OCR over it")
    return text


def _unwrapped(page: str) -> str:
    """``page`` without the line ends and hyphens that only its width has caused."""
    page = page.encode("utf-8", "ignore").decode()  # lone surrogates come from broken fonts
    page = re.sub(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[a-z])", "", page)
    lines = [line.strip() for line in page.split("\n")]
    full = _FULL * max(map(len, lines))
    parts = lines[:1]
    for before, line in pairwise(lines):
        # a full line that ends no sentence goes on in the next one
        goes_on = line and len(before) >= full and not before.endswith(_ENDS)
        parts += [" " if goes_on else "\n", line]
    return "".join(parts)


def _of_records(name: str, shown: str, text: str) -> Document:
    records = json_records(Path(shown), text)
    if records and all(_is_message(record) for _, record in records):
        whole = {"messages": [record for _, record in records]}
        records = [(shown, whole)]
    turns: list[Turn] = []
    texts: list[str] = []
    skipped: Counter[str] = Counter()
    for where, record in records:
        shape = shape_of(record)
        if not shape:
            keys = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise DataError(f"{where}: has {keys or 'no keys'}: give {SHAPES}")
        if shape == "text":
            texts.append(text_of(where, record, "text").strip())
        elif shape in ("ShareGPT", "OpenAI messages"):
            turns.extend(_messages(where, record, skipped))
        else:
            exchange = pair_of(where, record)
            pairs = (*exchange.before, (exchange.question, exchange.answer))
            for question, answer in pairs:
                turns += [Turn("user", question), Turn("assistant", answer)]
    if turns and texts:
        raise DataError(f"{shown} holds both texts and chats: put them in two files")
    if not turns and not any(texts):
        raise DataError(f"{shown} holds no text: give it some")
    left_out = tuple(_count(number, what) for what, number in skipped.items())
    return Document(name, "\n\n".join(texts), tuple(turns), left_out)


def _is_message(record: Any) -> bool:
    return isinstance(record, dict) and "role" in record and "content" in record


def _messages(where: str, record: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Turn]:
    """The messages of a conversation but for the system's; those without text are ``skipped``."""
    key = next(name for name in ("messages", "conversations", "conversation") if record.get(name))
    skipped.update(["system message"] if record.get("system") else [])
    for number, message in enumerate(record[key], 1):
        place = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{place}: is not an object: give it a role and a content")
        role = str(message.get("role", message.get("from", "")))
        content = first_of(message, ("content", "value", "text"))
        if not role or not content:
            raise DataError(f"{place}: has no {'content' if role else 'role'}: give it one")
        speaker = ROLES.get(role.lower(), role)
        if speaker == "system" or not message[content]:  # a call of a tool has no text
            skipped["system message" if speaker == "system" else "message without text"] += 1
            continue
        at = next((time for k in _TIMES if (time := time_of(message.get(k)))), None)
        said_by = str(message.get("name") or speaker)
        yield Turn(said_by, text_of(place, message, content).strip(), at)


def _count(number: int, what: str) -> str:
    first, *rest = what.split(" ", 1)
    if what == "message without text":
        return f"{number} {first}{'s' * (number != 1)} {rest[0]} left out"
    return f"{number} {what}{'s' * (number != 1)} left out"
