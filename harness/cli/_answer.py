"""``answer``: ask a model, with or without adapters on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.cli._common import Commands, add_device
from harness.data.formats import FORMATS, ask
from harness.engines import DECODINGS, Engine, decoding
from harness.errors import DataError
from harness.models.loading import SHIPPED
from harness.recipes import Decoding

RAW = "raw"
_AT_ONCE = 64


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "answer",
        help="ask a model, with or without adapters",
        description=(
            "Print one answer a line. Without PROMPT the prompts are read from stdin, one a line."
        ),
    )
    own.add_argument("prompts", nargs="*", metavar="PROMPT")
    own.add_argument(
        "--model",
        default=SHIPPED,
        metavar="MODEL",
        help=(
            "folder or hub id of the base, a .gguf file, or openai:NAME@URL of a server [the"
            " shipped one]"
        ),
    )
    own.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="DIR[:SCALE]",
        help="adapter folder, .gguf file, or name on the server; repeatable, they add up",
    )
    own.add_argument(
        "--preset",
        default="deterministic",
        metavar="NAME[,FIELD=VALUE...]",
        help=f"how text is generated: {', '.join(DECODINGS)} [deterministic]",
    )
    own.add_argument(
        "--format",
        default=RAW,
        choices=[RAW, *sorted(FORMATS)],
        help=(
            "raw: the model continues the prompt as it is; else it is a question in this format"
            " [raw]"
        ),
    )
    own.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16"], help="[float32]"
    )
    add_device(own)
    own.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    if not given.prompts and sys.stdin.isatty():
        raise DataError("no prompt: give some, or pipe them in, one a line")
    stack, by = [scaled(text) for text in given.adapter], decoding(given.preset)
    engine = _engine(str(given.model), stack, given)
    prompts = given.prompts or _lines()
    asked = [p if given.format == RAW or not p.strip() else ask(given.format, p) for p in prompts]
    with engine.with_stack(stack):
        for answer in answers(engine, asked, by):
            print(" ".join(answer.splitlines()), flush=True)
    return 0


def _engine(model: str, stack: list[tuple[Path, float]], given: argparse.Namespace) -> Engine:
    """Who answers for ``model``; adapter folders are looked at before it is loaded."""
    from harness.engines import engine_for, served
    from harness.models.external import trained_on
    from harness.models.loading import base_of

    if not served(model) and not model.endswith(".gguf"):
        base = base_of(model)
        for folder, _ in stack:
            trained_on(folder, base)
    return engine_for(model, given.dtype, given.device)


def scaled(text: str) -> tuple[Path, float]:
    """``DIR`` or ``DIR:SCALE``. Raises DataError where the scale is no number."""
    folder, colon, scale = text.rpartition(":")
    if not colon or Path(text).is_dir():
        return Path(text), 1.0
    try:
        return Path(folder), float(scale)
    except ValueError:
        raise DataError(
            f"--adapter {text}: {scale!r} is no scale, write DIR or DIR:SCALE such as DIR:0.5"
        ) from None


def answers(engine: Engine, prompts: Iterable[str], by: Decoding) -> Iterator[str]:
    """One for each prompt, as they come; to an empty prompt the answer is empty, so that lines stay
    in step."""
    waiting = list(prompts)
    for left in range(0, len(waiting), _AT_ONCE):
        chosen = waiting[left : left + _AT_ONCE]
        found = iter(engine.answer([p for p in chosen if p.strip()], by))
        yield from (next(found)[0] if p.strip() else "" for p in chosen)


def _lines() -> list[str]:
    try:
        return [line.removesuffix("\n") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise DataError(f"stdin is not UTF-8 ({error.reason}): pipe text in UTF-8") from error
