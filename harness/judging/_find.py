"""Judges by what a user calls them, and the labelled pairs that come along."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness.engines import SERVED
from harness.errors import DataError, ModelError
from harness.facts import FIXTURES, read_text
from harness.grading import FUZZY
from harness.judging._ask import FOUR
from harness.models import base_of
from harness.recipes import Calibration, Judge, Labelled, LabelledSet

LABELLED = (FIXTURES / "grading" / "pairs.csv", FIXTURES / "grading" / "kinds.csv")
"""Answers of which people have said whether they are right: winners in many wordings, and kinds of answers
that graders get wrong."""
_COLUMNS = ("question", "accepted", "answer", "right")


def judge_of(model: str | Path) -> Judge:
    """The judge that ``model`` names: a folder, hub id, ``.gguf`` file, or ``openai:NAME@URL``.

    What a server calls by one name may change behind it; its verdicts are kept by name and address.

    Raises:
        ModelError: there is no such folder or file.
    """
    text = str(model)
    if text.startswith(SERVED):
        return Judge(text, text, text, FOUR)
    if text.endswith(".gguf"):
        file = Path(text).expanduser()
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"judge {file} cannot be read ({error.strerror}): give a GGUF file") from error
        return Judge(content, file.name, str(file), FOUR)
    base = base_of(model)
    return Judge(base.content, base.name, base.path, FOUR)


def calibration_of(model: str | Path) -> Calibration:
    """That of the judge ``model`` on the labelled pairs that come along. Raises ModelError as ``judge_of``."""
    return Calibration(judge_of(model), labelled(), FUZZY)


@cache
def labelled(*files: Path) -> LabelledSet:
    """The pairs of CSV files, by default those that come along.

    Columns: question, accepted, answer, right (yes or no), and perhaps case and group; a pair without a group
    belongs to one that is named as its file.

    Raises:
        DataError: a file cannot be read, or a column is missing, or a label is neither yes nor no.
    """
    chosen = files or LABELLED
    pairs = tuple(pair for file in chosen for pair in _pairs(file))
    return LabelledSet.of(" and ".join(file.name for file in chosen), pairs)


def _pairs(file: Path) -> Iterator[Labelled]:
    rows = list(csv.DictReader(io.StringIO(read_text(file), newline="")))
    for line, row in enumerate(rows, 2):
        if missing := [name for name in _COLUMNS if row.get(name) is None]:
            raise DataError(f"{file}, line {line}: has no {missing[0]}: give the columns {', '.join(_COLUMNS)}")
        if row["right"] not in ("yes", "no"):
            raise DataError(f"{file}, line {line}: right is {row['right']!r}: write yes or no")
        yield Labelled(
            row["question"],
            row["accepted"],
            row["answer"],
            row["right"] == "yes",
            row.get("case") or "",
            row.get("group") or file.name,
        )
