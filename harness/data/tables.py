"""Tables that a user wrote: CSV and TSV in UTF-8, each row with the line where it stands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError

SEPARATOR = "|"
"""Between several values of one cell; within one answer, names of a list are joined by ``"; "``."""


def decoded(path: Path, wanted: str) -> str:
    """The UTF-8 text of ``path``, without a byte-order mark.

    Raises:
        DataError: it cannot be read, or is in another encoding, or no text. Says what is
            ``wanted``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give {wanted}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is in UTF-16: save the file in UTF-8")
    if b"\0" in data[:4096]:
        raise DataError(f"{path} is no text: give {wanted}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: is not UTF-8: save the file in UTF-8") from error


_PREAMBLE = re.compile(
    r"(?:sep=.\r?\n|#(?:separator|html|columns|deck|notetype|tags|guid)[\w ]*:[^\n]*\n)+"
)
"""What Excel and Anki put before a table."""


def without_preamble(text: str) -> str:
    """``text`` without the lines in which Excel and Anki describe the table below."""
    match = _PREAMBLE.match(text)
    return text[match.end() :] if match else text


def separator_of(path: Path, text: str) -> str:
    """What parts the cells of ``text``: a tab, a semicolon or a comma, by its first line.

    A comma within double quotes parts nothing, and does not count.
    """
    first = re.sub(r'"[^"]*"', "", next(iter(text.splitlines()), ""))
    counts = {mark: first.count(mark) for mark in ("\t", ";", ",")}
    if path.suffix.lower() == ".tsv" and counts["\t"]:
        return "\t"
    return max(counts, key=lambda mark: counts[mark]) if any(counts.values()) else ","


def rows(path: Path, text: str, separator: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of every row below the header.

    Blank lines are passed over, and so are rows and columns that are empty throughout, as
    spreadsheets write them. Without ``separator`` it is found by the header.

    Raises:
        DataError: a column stands there twice or has cells but no name, a row is of another length
            than the header, or quotes are broken.
    """
    csv.field_size_limit(1 << 24)  # long answers; the default is 128 KiB
    text = without_preamble(text)
    delimiter = separator or separator_of(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        while head and not head[-1]:
            head.pop()
        if len(set(head)) != len(head):
            twice = next(name for name in head if head.count(name) > 1)
            raise DataError(f"{path}, line 1: has the column {twice!r} twice: rename one")
        line = reader.line_num + 1
        for cells in reader:
            while len(cells) > len(head) and not cells[-1].strip():
                cells.pop()
            if any(cell.strip() for cell in cells):
                if len(cells) != len(head):
                    raise DataError(
                        f"{path}, line {line}: has {len(cells)} cells where the header has"
                        f" {len(head)}: put cells that hold the separator in double quotes"
                    )
                yield line, dict(zip(head, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        line = reader.line_num
        raise DataError(
            f"{path}, line {line}: is no CSV ({error}): check its double quotes"
        ) from error
