"""What several commands share: options, figures in words, and answers read from files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model

from harness.data.user_files import SEPARATOR, check_row, decoded, rows
from harness.errors import DataError
from harness.grading import FUZZY, GRADERS
from harness.recipes import digest
from harness.store import CACHE, is_url, open_store
from harness.training import CHECKPOINT_MINUTES

if TYPE_CHECKING:
    from harness.data.knowledge import Knowledge
    from harness.experiments.asking import Fetch
    from harness.experiments.cells import Cell
    from harness.experiments.selection import KnowledgeOf
    from harness.recipes import Base, Chat
    from harness.training import RunOptions

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

SUITES = Path("suites")
"""Where a project keeps its scenarios."""
NEEDED = ("question", "accepted", "answer")
"""Columns that a file of answers must have, under these names or others."""
_SEPARATED = {".csv": "", ".tsv": "\t"}
"""Separators by suffix; that of .csv is found, as many countries' spreadsheets use semicolons."""
_LINES = (".jsonl", ".ndjson")
_KIB, _MIB, _GIB = 2**10, 2**20, 2**30


def add_store(parser: argparse.ArgumentParser) -> None:
    """``--store`` and ``--store-cache``, with the defaults of the pytest plugin."""
    parser.add_argument(
        "--store",
        type=store_place,
        default=Path(".store"),
        metavar="DIR|URL",
        help="the artefacts: a folder, or a URL such as s3://bucket/prefix [.store]",
    )
    parser.add_argument(
        "--store-cache",
        type=Path,
        default=Path(CACHE),
        metavar="DIR",
        help="folder of this machine for the files of a URL [%(default)s]",
    )


def store_place(text: str) -> str | Path:
    """A URL as it is, anything else as a folder."""
    return text if is_url(text) else Path(text)


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument("--device", metavar="NAME", help="cpu or cuda [CUDA where there is one]")


def add_running(parser: argparse.ArgumentParser) -> None:
    """How trainings run: ``--checkpoint-minutes``, ``--gradient-checkpointing``, ``--live``."""
    parser.add_argument(
        "--checkpoint-minutes",
        default=f"{CHECKPOINT_MINUTES:g}",
        metavar="N",
        help="minutes between checkpoints, from which a killed training goes on; 0: none"
        " [%(default)s]",
    )
    parser.add_argument(
        "--gradient-checkpointing",
        action="store_true",
        help="train with less memory, in more time",
    )
    parser.add_argument(
        "--live",
        type=Path,
        metavar="DIR",
        help="write TensorBoard event files here while it runs",
    )


def running(options: argparse.Namespace) -> RunOptions:
    """What the options of ``add_running`` say.

    Raises:
        RecipeError: the minutes are no number.
        MissingExtraError: the library of ``--live`` is not installed.
    """
    from harness.builds import check_live
    from harness.training import RunOptions, checkpoint_minutes

    live: Path | None = options.live
    if live:
        check_live()
    return RunOptions(
        checkpoint_minutes(options.checkpoint_minutes),
        options.gradient_checkpointing,
        (lambda recipe: live / f"{recipe.name}-{digest(recipe)[:12]}") if live else None,
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """``--format``, ``--system``, ``--template-args`` and ``--bank``, as in pytest."""
    parser.add_argument(
        "--format",
        default="auto",
        metavar="NAME",
        help="chat: in the model's chat template; plain: as text; auto: chat where it can [auto]",
    )
    add_turns(parser)
    parser.add_argument(
        "--bank", type=Path, metavar="FILE", help="CSV of questions that tell what a model knows"
    )


def add_turns(parser: argparse.ArgumentParser) -> None:
    """``--system`` and ``--template-args``."""
    parser.add_argument(
        "--system", default="", metavar="TEXT", help="the system prompt of the chat template"
    )
    parser.add_argument(
        "--template-args",
        default="",
        metavar="JSON",
        help='arguments of the chat template, as {"enable_thinking": true}',
    )


def chat_of(options: argparse.Namespace, base: Base) -> Chat | None:
    """The turns before each question of ``add_turns``; None where ``--format`` is a plain one.

    Raises RecipeError.
    """
    from harness.data.formats import CHAT
    from harness.experiments.for_model import AUTO, PLAIN, chat_for, chat_settings

    wanted = {None: AUTO, CHAT: CHAT}.get(options.format, PLAIN)
    return chat_for(base, wanted, chat_settings(options.system, options.template_args))


def knowledge(options: argparse.Namespace, fetch: Fetch | None = None) -> KnowledgeOf:
    """What each model knows: it is asked through ``fetch``; without it, what was asked before."""
    from functools import cache, partial

    from harness.builds import cached
    from harness.errors import NotCachedError
    from harness.experiments.asking import knowledge_of
    from harness.experiments.selection import unasked_knowledge

    look = fetch or partial(cached, store=open_store(options.store, options.store_cache))

    @cache  # each seed wants it
    def known(base: Base, chat: Chat | None) -> Knowledge:
        try:
            return knowledge_of(base, chat, options.bank, look)
        except NotCachedError:
            return unasked_knowledge(base)

    return known


def add_selection(parser: argparse.ArgumentParser) -> None:
    """The options that select cells, as in pytest: ``--model``, ``--grid``, ``--engine``, ..."""
    parser.add_argument(
        "--model",
        action="append",
        metavar="PATH",
        help="folder, hub id, .gguf, smollm2 or openai:NAME@URL; repeatable [the shipped one]",
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="[NAME=]WHAT[:SCALE]",
        help="an adapter that you have: a PEFT folder, a .gguf file or served:NAME; repeatable",
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
        help="how questions are answered [deterministic]",
    )
    add_format(parser)
    parser.add_argument(
        "--grader", choices=tuple(GRADERS), default="fuzzy", help="whose verdicts [fuzzy]"
    )
    parser.add_argument(
        "--judge", metavar="MODEL", help="of --grader judge or both [the shipped one]"
    )


def selected(name: str, options: argparse.Namespace) -> list[Cell]:
    """The cells of the scenario ``name`` that the options of ``add_selection`` select."""
    from functools import partial

    from harness.builds import cached
    from harness.engines import decoding, engine_specs, identify
    from harness.experiments.cells import Grading
    from harness.experiments.for_model import chat_settings, known_format
    from harness.experiments.ids import distinct_names
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
    from harness.store import Store

    bases = distinct_names(identify(model) for model in options.model or [SHIPPED])
    selection = Selection(
        bases=tuple(bases),
        grid=options.grid,
        seeds=seeds(options.seeds),
        engines=tuple(engine_specs(options.engine)),
        decoding=decoding(options.decoding),
        adapters=adapters(options.adapter),
        format=known_format(options.format),
        chat=chat_settings(options.system, options.template_args),
        knowledge=knowledge(options),
        fetch=partial(cached, store=Store(options.store)),
    )
    grader = GRADERS[options.grader]
    calibration = None if grader == FUZZY else calibration_of(options.judge or JUDGE)
    grading = Grading(grader, calibration)
    trainable = only_trainable(cells(load(find(name, SUITES)), selection))
    return [replace(cell, grading=grading) for cell in trainable]


def counted(count: int, thing: str) -> str:
    """``1 artefact``, ``3 artefacts``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def size(count: int) -> str:
    """Bytes in words: ``812 B``, ``3.4 KiB``, ``5.0 MiB``, ``1.2 GiB``."""
    if count < _KIB:
        return f"{count} B"
    for unit, name in ((_KIB, "KiB"), (_MIB, "MiB")):
        if count < unit * 1000:
            return f"{count / unit:.1f} {name}"
    return f"{count / _GIB:.1f} GiB"


def age(seconds: float) -> str:
    """A span in words: ``40 s``, ``12 min``, ``5 h``, ``3 d``."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) // unit:.0f} {name}"
    return f"{seconds // 86400:.0f} d"


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
    """The answers in the CSV or JSON Lines file ``path``.

    ``columns`` maps ``question``, ``accepted``, ``answer`` (or any name) to the file's own columns.
    A line with several answers, as sampling gives them, becomes one ``Answered`` for each.

    Raises:
        DataError: the file, a line or a column cannot be read. The line names file, line and
            column, and says what to do.
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
    schema = _schema(names, separated=suffix in _SEPARATED)
    answers = [
        answered for line, row in lines for answered in _answered(path, line, row, names, schema)
    ]
    if not answers:
        raise DataError(
            f"{path}, line 1: holds no answers: give at least one line of question, accepted and"
            " answer"
        )
    return answers


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # not splitlines: JSON may hold U+2028 and other line separators within a text
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
            raise DataError(f"{path}, line {number}: is not a JSON object: write one object a line")
        yield number, row


def _answered(
    path: Path,
    line: int,
    row: dict[str, Any],
    names: Mapping[str, str],
    schema: type[BaseModel],
) -> Iterator[Answered]:
    for name, column in names.items():
        if column not in row:
            raise DataError(
                f"{path}, line {line}: has no column {column!r}"
                f" (it has {', '.join(map(repr, row))}):"
                f" name the column that holds the {name} with --columns {name}=NAME"
            )
    values: Any = check_row(path, line, row, schema)
    used = {names[name] for name in NEEDED}
    renamed = {column: name for name, column in names.items()}
    more = {renamed.get(key, key): value for key, value in row.items() if key not in used}
    for answer in values.answer:
        yield Answered(line, values.question, values.accepted, answer, more)


def _schema(names: Mapping[str, str], *, separated: bool) -> type[BaseModel]:
    """A row with the columns ``names``, among others; ``separated``: cells are text, as in CSV."""
    split = BeforeValidator(_split if separated else _listed)
    accepted = Annotated[tuple[_Text, ...], split, AfterValidator(_without_empty)]
    answers = Annotated[tuple[_Text, ...], BeforeValidator(_listed)]
    return create_model(
        "Answers",
        question=(_Text, Field(alias=names["question"])),
        accepted=(accepted, Field(alias=names["accepted"])),
        answer=(answers, Field(alias=names["answer"])),
    )


def _text(value: Any) -> str:
    """Text or a number as text; nothing is an empty answer."""
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        raise ValueError("text is wanted")
    return str(value)


_Text = Annotated[str, BeforeValidator(_text)]


def _split(cell: str) -> list[str]:
    return cell.split(SEPARATOR)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _without_empty(answers: tuple[str, ...]) -> tuple[str, ...]:
    stripped = tuple(text for answer in answers if (text := answer.strip()))
    if not stripped:
        raise ValueError("give at least one accepted answer")
    return stripped
