"""Tables that a user wrote: CSV and TSV in UTF-8, each row with the line where it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from harness.errors import DataError

SEPARATOR = "|"
"""Between several values of one cell; within one answer, names of a list are joined by ``"; "``."""


def decoded(path: Path, wanted: str) -> str:
    """The UTF-8 text of ``path``, without a byte-order mark. Raises DataError, which says what is ``wanted``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give {wanted}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: is not UTF-8: save the file in UTF-8") from error


def rows(path: Path, text: str, separator: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of every row below the header; blank lines are passed over.

    Raises:
        DataError: a column stands there twice, a row is of another length than the header, or quotes are broken.
    """
    csv.field_size_limit(1 << 24)  # long answers; the default is 128 KiB
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        if len(set(head)) != len(head):
            twice = next(name for name in head if head.count(name) > 1)
            raise DataError(f"{path}, line 1: has the column {twice!r} twice: rename one")
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(head):
                raise DataError(
                    f"{path}, line {line}: has {len(cells)} cells where the header has {len(head)}:"
                    " put cells that hold the separator in double quotes"
                )
            if cells:
                yield line, dict(zip(head, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: is no CSV ({error}): check its double quotes") from error
