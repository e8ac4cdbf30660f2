"""Answers that any tool gave, read from CSV or JSON Lines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.data.user_files import SEPARATOR, decoded, rows
from harness.errors import DataError
from harness.grading import FUZZY, GRADERS

if TYPE_CHECKING:
    from harness.experiments.cells import Cell

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

_MIB = 2**20
SUITES = Path("suites")
"""Where a project keeps its scenarios."""


def add_store(parser: argparse.ArgumentParser) -> None:
    """``--store``, with the default of the pytest plugin."""
    parser.add_argument(
        "--store", type=Path, default=Path(".store"), metavar="DIR", help="the artefacts [.store]"
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--adapter``, ``--grid``, ``--seeds``, ``--engine``, ``--decoding``,
    ``--grader``, ``--judge``."""
    parser.add_argument(
        "--model",
        action="append",
        metavar="PATH",
        help="folder, hub id, .gguf file or openai:NAME@URL; repeatable [the shipped one]",
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="[NAME=]WHAT[:SCALE]",
        help="a ready-made adapter; repeatable",
    )
    parser.add_argument(
        "--grid", default="default", metavar="NAME", help="default or full [default]"
    )
    parser.add_argument("--seeds", default="0", metavar="LIST", help="e.g. 0,1,2 [0]")
    parser.add_argument("--engine", default="hf", metavar="LIST", help="e.g. hf,nf4,gguf:q4_0 [hf]")
    parser.add_argument(
        "--decoding",
        default="deterministic",
        metavar="NAME[,FIELD=VALUE...]",
        help="[deterministic]",
    )
    parser.add_argument(
        "--grader", choices=tuple(GRADERS), default="fuzzy", help="whose verdicts [fuzzy]"
    )
    parser.add_argument(
        "--judge", metavar="MODEL", help="of --grader judge or both [the one that comes along]"
    )


def selected(name: str, options: argparse.Namespace) -> list[Cell]:
    """The cells of the scenario ``name`` that the options of ``add_selection`` select."""
    from harness.engines import decoding, engine_specs, identify
    from harness.experiments.cells import Grading, distinct_names
    from harness.experiments.selection import (
        Selection,
        adapters,
        cells,
        find,
        load,
        only_trainable,
        seeds,
    )
    from harness.grading.judge import calibration_of
    from harness.models.loading import JUDGE, SHIPPED

    bases = distinct_names(identify(model) for model in options.model or [SHIPPED])
    selection = Selection(
        bases=tuple(bases),
        grid=options.grid,
        seeds=seeds(options.seeds),
        engines=tuple(engine_specs(options.engine)),
        decoding=decoding(options.decoding),
        adapters=adapters(options.adapter),
    )
    grader = GRADERS[options.grader]
    calibration = None if grader == FUZZY else calibration_of(options.judge or JUDGE)
    found = only_trainable(cells(load(find(name, SUITES)), selection))
    return [replace(cell, grading=Grading(grader, calibration)) for cell in found]


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda [CUDA where there is one]")


def counted(count: int, thing: str) -> str:
    """``1 artefact``, ``3 artefacts``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def size(count: int) -> str:
    """Bytes in words: ``812 B``, ``3.4 KiB``, ``5.0 MiB``, ``1.2 GiB``."""
    if count < 1024:
        return f"{count} B"
    for unit, name in ((1024, "KiB"), (_MIB, "MiB")):
        if count < unit * 1000:
            return f"{count / unit:.1f} {name}"
    return f"{count / (1024 * _MIB):.1f} GiB"


def age(seconds: float) -> str:
    """A span in words: ``40 s``, ``12 min``, ``5 h``, ``3 d``."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // unit:.0f} {name}"
    return f"{seconds // 86400:.0f} d"


NEEDED = ("question", "accepted", "answer")
_SEPARATED = {".csv": "", ".tsv": "\t"}
"""Of .csv, the header tells: spreadsheets of many countries write semicolons."""
_LINES = (".jsonl", ".ndjson")


class Answered(NamedTuple):
    """One answer to one question."""

    line: int
    """Where it stands in the file, from 1."""
    question: str
    accepted: tuple[str, ...]
    answer: str
    more: dict[str, Any]
    """All other columns, such as cell, fact and kind."""


def read(path: Path, columns: Mapping[str, str] | None = None) -> list[Answered]:
    """The answers in ``path``. ``columns`` maps ``question``, ``accepted``, ``answer`` (or any
    name) to the file's own.

    Raises:
        DataError: the file, a line or a column cannot be read; the message names file, line and
            mend.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_SEPARATED, *_LINES):
        known = ", ".join((*_SEPARATED, *_LINES))
        raise DataError(
            f"{path}: suffix {path.suffix!r} is unknown: name the file with one of {known}"
        )
    text = decoded(path, "a CSV or JSON Lines file")
    lines = _json_lines(path, text) if suffix in _LINES else rows(path, text, _SEPARATED[suffix])
    names = {name: name for name in NEEDED} | dict(columns or {})
    found = [answered for line, row in lines for answered in _answered(path, line, row, names)]
    if not found:
        raise DataError(
            f"{path}, line 1: holds no answers: give at least one line of question, accepted and"
            " answer"
        )
    return found


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Split at newlines only: JSON may hold U+2028 and its like."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: is not JSON ({error}): write one object a line"
            ) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: is no JSON object: write one object a line")
        yield number, row


def _answered(
    path: Path, line: int, row: dict[str, Any], names: Mapping[str, str]
) -> Iterator[Answered]:
    """Several answers to one question, as sampling gives them, are graded one by one."""
    for name, own in names.items():
        if own not in row:
            raise DataError(
                f"{path}, line {line}: has no column {own!r} (it has {', '.join(map(repr, row))}):"
                f" name the column that holds the {name} with --columns {name}=NAME"
            )
    accepted = _accepted(path, line, names["accepted"], row[names["accepted"]])
    question = _one(path, line, names["question"], row[names["question"]])
    given = row[names["answer"]]
    taken = {names[name] for name in NEEDED}
    renamed = {own: name for name, own in names.items()}
    more = {renamed.get(key, key): value for key, value in row.items() if key not in taken}
    for answer in given if isinstance(given, list) else [given]:
        yield Answered(line, question, accepted, _one(path, line, names["answer"], answer), more)


def _accepted(path: Path, line: int, column: str, value: Any) -> tuple[str, ...]:
    """A JSON list; or text, in CSV with ``|`` between answers."""
    text = isinstance(value, str) and path.suffix.lower() in _SEPARATED
    values = value.split(SEPARATOR) if text else value if isinstance(value, list) else [value]
    found = tuple(said for v in values if (said := _one(path, line, column, v).strip()))
    if not found:
        raise DataError(
            f"{path}, line {line}: column {column!r} is empty: give at least one accepted answer"
        )
    return found


def _one(path: Path, line: int, column: str, value: Any) -> str:
    """Text or a number as text; nothing is an empty answer."""
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        raise DataError(
            f"{path}, line {line}: column {column!r} holds {json.dumps(value)[:40]}: text is wanted"
        )
    return str(value)
