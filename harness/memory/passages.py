"""Passages: a text in parts that are learnt, retrieved and forgotten one by one.

Borders are chosen by the content beside them, so an edit moves only the borders close to it, and
all other passages keep their ids.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from harness.errors import RecipeError
from harness.recipes import sha256

SIZE = 1000
"""Characters of a passage at most, unless the user sets another size."""
_LEAST_SIZE = 20
_LONGEST_HEADING = 200
"""Characters; a longer line that is marked as a heading is text."""


@dataclass(frozen=True)
class Passage:
    """A part of a document that is read on its own."""

    text: str
    document: str = ""
    """Name of the document."""
    place: int = 0
    """Number in its document, from 0."""
    heading: str = ""
    """Headings above it, the outermost first: ``Guide > Tools``."""
    when: str = ""
    """ISO 8601 time of the first turn of a chat's passage; empty without one."""

    @property
    def id(self) -> str:
        """SHA-256 of text and heading in NFC, with every run of blanks as one space."""
        return sha256(f"{_normal(self.heading)}\n{_normal(self.text)}")

    @property
    def headed(self) -> str:
        """The text below its headings, for retrieval and for reading without the document."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


class Turn(NamedTuple):
    """What one speaker of a chat says."""

    speaker: str
    """A name, or the role ``user``, ``assistant`` or ``system``."""
    text: str
    at: datetime | None = None


class _Part(NamedTuple):
    """Characters ``start`` to ``end`` of a text, without blanks around them."""

    start: int
    end: int


def split(text: str, size: int = SIZE, document: str = "") -> tuple[Passage, ...]:
    """``text`` in passages of at most ``size`` characters, in order.

    A passage never crosses a Markdown heading. Within a section, whole paragraphs go together while
    they fit; a longer paragraph is split between sentences, then lines, then words. A longer word
    is a passage of its own. Headings are in ``Passage.heading``, and a heading without text is a
    passage. All other characters but blanks are in exactly one passage.

    An edit changes only passages that hold the edited paragraph or lie within ``size`` characters
    of it.

    Raises:
        RecipeError: ``size`` is below 20.
    """
    _check(size)
    passages: list[Passage] = []
    for heading, section in _sections(text):
        for part in _packed(section, _paragraphs(section), size, _FINER):
            words = section[part.start : part.end]
            passages.append(Passage(words, document, len(passages), heading))
    return tuple(passages)


def spans(turns: Sequence[Turn], size: int = SIZE, document: str = "") -> tuple[Passage, ...]:
    """``turns`` in passages of at most ``size`` characters, a line ``Name: text`` for each turn.

    A passage holds turns of one day. Passages are filled from the first turn on, so further turns
    change only the last passage. A longer turn is split as ``split`` does, and every part of it
    begins with the name.

    Raises:
        RecipeError: ``size`` is below 20.
    """
    _check(size)
    passages: list[Passage] = []
    lines: list[str] = []
    first: datetime | None = None

    def close() -> None:
        if lines:
            when = first.isoformat(timespec="minutes") if first else ""
            passages.append(Passage("\n".join(lines), document, len(passages), when=when))
            lines.clear()

    for turn in turns:
        if not turn.text.strip():
            continue
        for line in _lines_of(turn, size):
            is_full = sum(map(len, lines)) + len(lines) + len(line) > size
            if is_full or _day(turn.at) != _day(first):
                close()
            if not lines:
                first = turn.at
            lines.append(line)
    close()
    return tuple(passages)


def _check(size: int) -> None:
    if size < _LEAST_SIZE:
        raise RecipeError(f"passage size is {size} characters: give {_LEAST_SIZE} or more")


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else ""


def _lines_of(turn: Turn, size: int) -> Iterator[str]:
    name = f"{turn.speaker}: " if turn.speaker else ""
    text = turn.text.strip()
    if len(name) + len(text) <= size:
        yield name + text
        return
    room = max(size - len(name), _LEAST_SIZE)
    for start, end in _packed(text, _paragraphs(text), room, _FINER):
        yield name + text[start:end]


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(headings above it, text) of each section of ``text``; headings without text are text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # ``str.splitlines`` would also split at form feeds and U+2028, which are no lines of Markdown.
    lines = [f"{line}\n" for line in text.split("\n")]
    above: list[tuple[int, str]] = []
    start = 0
    is_told = True  # whether the last heading is in a passage
    for first, end, level, title in (*_headings(text, lines), (len(lines), len(lines), 0, "")):
        body = "".join(lines[start:first])
        if body.strip():
            yield _path(above), body
        elif not is_told and (not level or level <= above[-1][0]):
            yield _path(above[:-1]), above[-1][1]
        above = [(depth, name) for depth, name in above if depth < level]
        above.append((level, title))
        start = end
        is_told = False


def _path(above: Sequence[tuple[int, str]]) -> str:
    return " > ".join(title for _, title in above)


def _headings(text: str, lines: Sequence[str]) -> Iterator[tuple[int, int, int, str]]:
    """(first line, line behind it, level, title) of each heading at the outermost level."""
    if not re.search(r"^ {0,3}(?:#{1,6}\s|=+\s*$|-+\s*$)", text, re.MULTILINE):
        return
    from markdown_it import MarkdownIt  # takes 50 ms, and few texts have headings

    tokens = MarkdownIt("commonmark").parse(text)
    for token, inline in pairwise(tokens):
        if token.type != "heading_open" or token.level or not token.map:
            continue
        title = " ".join(inline.content.split())
        first, end = token.map
        # Prose above a line of hyphens is a heading by the letter of CommonMark only.
        is_line = end - first <= (1 if token.markup.startswith("#") else 2)
        if title and is_line and len(title) <= _LONGEST_HEADING:
            yield first, end, int(token.tag[1:]), title


_Cut = Callable[[str], list[_Part]]


def _cut_at(pattern: str) -> _Cut:
    """Cuts a text behind each match of ``pattern``."""
    compiled = re.compile(pattern)

    def cut(text: str) -> list[_Part]:
        ends = [match.end() for match in compiled.finditer(text)]
        edges = [0, *ends, len(text)]
        parts = [_stripped(text, *edge) for edge in pairwise(edges)]
        return [part for part in parts if part.end > part.start]

    return cut


def _stripped(text: str, start: int, end: int) -> _Part:
    part = text[start:end]
    return _Part(start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip()))


_paragraphs = _cut_at(r"\n[^\S\n]*\n\s*|\f")
_FINER = (
    _cut_at(
        # not behind an initial or a short form: Dr. Quill, J. Ibarra
        r"(?<!\b[A-Z])(?<!\b(?:Mr|Ms|Dr|St|No|vs))(?<!\b(?:Mrs|e\.g|i\.e))(?<!\bProf)"
        r"[.!?\u2026]+[\"'\u2019\u201d)\]]*\s+(?=\S)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d]*"
    ),
    _cut_at(r"\n"),
    _cut_at(r"\s+"),
)
"""Sentences, lines, words: how a part that is too long is split further."""


def _packed(text: str, parts: Sequence[_Part], size: int, finer: Sequence[_Cut]) -> Iterator[_Part]:
    """Runs of ``parts`` of at most ``size`` characters; a longer part is split by ``finer`` cuts.

    A run that is too long is split before the part with the lowest digest of its own text, and so
    are its halves. So the borders depend on the text alone, not on what stands far before it.
    """
    run: list[_Part] = []
    for part in parts:
        if part.end - part.start <= size:
            run.append(part)
            continue
        yield from _halved(text, run, size)
        run = []
        if not finer:
            yield part
            continue
        inner = finer[0](text[part.start : part.end])
        shifted = [_Part(start + part.start, end + part.start) for start, end in inner]
        yield from _packed(text, shifted, size, finer[1:])
    yield from _halved(text, run, size)


def _halved(text: str, run: Sequence[_Part], size: int) -> Iterator[_Part]:
    ranks = np.array([_rank(text[start:end]) for start, end in run])
    waiting = [(0, len(run))] if run else []
    while waiting:
        left, right = waiting.pop()
        whole = _Part(run[left].start, run[right - 1].end)
        if whole.end - whole.start <= size:
            yield whole
            continue
        middle = left + 1 + int(ranks[left + 1 : right].argmin())
        waiting += [(middle, right), (left, middle)]  # the left half is taken first


def _rank(part: str) -> int:
    """A number below 2 ** 62 from the digest of ``part``, alike for any blanks."""
    return int(sha256(_normal(part))[:15], 16)
