"""Tables of users: CSV and TSV in UTF-8, each row with its line number."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError

SEPARATOR = "|"
"""Separates the values of one cell. Within one value, ``"; "`` joins the names of a list."""


def decoded(path: Path, wanted: str) -> str:
    """The UTF-8 text of ``path``, without a byte-order mark.

    Raises:
        DataError: the file cannot be read, has another encoding, or is not text. The message asks
            for ``wanted`` (*a CSV file*).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give {wanted}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is in UTF-16: save the file in UTF-8")
    if b"\0" in data[:4096]:
        raise DataError(f"{path} is not text: give {wanted}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: is not UTF-8: save the file in UTF-8") from error


_PREAMBLE = re.compile(
    r"(?:sep=.\r?\n|#(?:separator|html|columns|deck|notetype|tags|guid)[\w ]*:[^\n]*\n)+"
)
"""Lines that Excel and Anki write before a table."""


def without_preamble(text: str) -> str:
    """``text`` without the lines that Excel and Anki write before a table."""
    match = _PREAMBLE.match(text)
    return text[match.end() :] if match else text


def separator_of(path: Path, text: str) -> str:
    """The separator of the cells of ``text``: a tab, a semicolon or a comma.

    It is the most frequent of the three in the first line, outside double quotes.
    """
    first = re.sub(r'"[^"]*"', "", next(iter(text.splitlines()), ""))
    counts = {mark: first.count(mark) for mark in ("\t", ";", ",")}
    if path.suffix.lower() == ".tsv" and counts["\t"]:
        return "\t"
    return max(counts, key=lambda mark: counts[mark]) if any(counts.values()) else ","


def rows(path: Path, text: str, separator: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of every row below the header; lines are counted from 1.

    Blank lines, empty rows and empty columns at the right are skipped, as spreadsheets write them.
    Without ``separator``, ``separator_of`` finds it.

    Raises:
        DataError: two columns have the same name, a row has more or fewer cells than the header, or
            a double quote is not closed.
    """
    csv.field_size_limit(1 << 24)  # 16 MiB, for long answers; the default is 128 KiB
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
            f"{path}, line {line}: is not CSV ({error}): check its double quotes"
        ) from error
