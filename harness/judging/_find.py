"""Judges by what a user calls them, and the labelled pairs that come along."""

from __future__ import annotations

import csv
import hashlib
import io
from functools import cache
from pathlib import Path

from harness.engines import SERVED
from harness.errors import DataError, ModelError
from harness.facts import FIXTURES, read_text
from harness.judging._ask import FOUR
from harness.models import base_of
from harness.recipes import Calibration, Judge, Labelled, LabelledSet

LABELLED = FIXTURES / "grading" / "pairs.csv"
"""Answers of which people have said whether they are right."""
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
    return Calibration(judge_of(model), labelled())


@cache
def labelled(file: Path = LABELLED) -> LabelledSet:
    """The pairs of a CSV file with the columns question, accepted, answer, right (yes or no), and perhaps case.

    Raises:
        DataError: the file cannot be read, or a column is missing, or a label is neither yes nor no.
    """
    rows = list(csv.DictReader(io.StringIO(read_text(file), newline="")))
    for line, row in enumerate(rows, 2):
        if missing := [name for name in _COLUMNS if row.get(name) is None]:
            raise DataError(f"{file}, line {line}: has no {missing[0]}: give the columns {', '.join(_COLUMNS)}")
        if row["right"] not in ("yes", "no"):
            raise DataError(f"{file}, line {line}: right is {row['right']!r}: write yes or no")
    pairs = (
        Labelled(r["question"], r["accepted"], r["answer"], r["right"] == "yes", r.get("case") or "") for r in rows
    )
    return LabelledSet.of(file.stem, tuple(pairs))
