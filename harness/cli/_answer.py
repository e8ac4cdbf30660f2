"""``answer``: ask a model, with or without adapters on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.cli._common import Commands, add_device
from harness.data.formats import FORMATS, ask
from harness.engines import DECODINGS, Engine, decoding
from harness.errors import DataError, ModelError
from harness.models.loading import SHIPPED
from harness.recipes import Decoding, ExternalAdapter

RAW = "raw"
_AT_ONCE = 64


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "answer",
        help="ask a model, with or without adapters",
        description=(
            "Print one answer a line. Without PROMPT the prompts are read from stdin, one a line."
        ),
    )
    parser.add_argument("prompts", nargs="*", metavar="PROMPT")
    parser.add_argument(
        "--model",
        default=SHIPPED,
        metavar="MODEL",
        help=(
            "folder or hub id of the base, a .gguf file, or openai:NAME@URL of a server [the"
            " shipped one]"
        ),
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="[NAME=]WHAT[:SCALE]",
        help="a PEFT folder, a .gguf file or served:NAME; repeatable, they add up",
    )
    parser.add_argument(
        "--preset",
        default="deterministic",
        metavar="NAME[,FIELD=VALUE...]",
        help=f"how text is generated: {', '.join(DECODINGS)} [deterministic]",
    )
    parser.add_argument(
        "--format",
        default=RAW,
        choices=[RAW, *sorted(FORMATS)],
        help=(
            "raw: the model continues the prompt as it is; else it is a question in this format"
            " [raw]"
        ),
    )
    parser.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16"], help="[float32]"
    )
    add_device(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if not options.prompts and sys.stdin.isatty():
        raise DataError("no prompt: give some, or pipe them in, one a line")
    by = decoding(options.preset)
    with TemporaryDirectory(prefix="lora-memory-") as scratch:
        engine, stack = _opened(options, Path(scratch))
        prompts = options.prompts or _lines()
        if options.format != RAW:
            prompts = [ask(options.format, p) if p.strip() else p for p in prompts]
        with engine.with_stack(stack):
            for answer in answers(engine, prompts, by):
                print(" ".join(answer.splitlines()), flush=True)
    return 0


def _opened(options: argparse.Namespace, scratch: Path) -> tuple[Engine, list[tuple[Path, float]]]:
    """The engine of ``--model``, and what it loads of each ``--adapter``, with its scale.

    Adapters are checked before the model is loaded. Those that need another form are converted into
    the folder ``scratch``.
    """
    from harness.engines import engine_for, served
    from harness.models.external import fitting, scaled_adapter
    from harness.models.loading import base_of

    model = str(options.model)
    adapters = [scaled_adapter(text) for text in options.adapter]
    if served(model):
        takes = "served"
    elif model.endswith(".gguf"):
        takes = "gguf"
    else:
        takes = "folder"
        base = base_of(model)
        for adapter, _ in adapters:
            fitting(adapter, [base])
    stack = [(_weights(adapter, model, takes, scratch), scale) for adapter, scale in adapters]
    return engine_for(model, options.dtype, options.device), stack


def _weights(adapter: ExternalAdapter, model: str, takes: str, scratch: Path) -> Path:
    """What the engine of ``model`` loads of ``adapter``: a folder, a file or a server's name.

    Raises:
        ModelError: ``model`` takes adapters of another form, and a conversion is not possible.
    """
    path = Path(adapter.path)
    if takes == "gguf" and adapter.form == "folder":
        from harness.models.external import full_base
        from harness.models.gguf import convert_adapter

        file = scratch / f"{adapter.content}.gguf"
        convert_adapter(path, full_base(path), file)
        return file
    if takes != adapter.form:
        wanted = {"folder": "a PEFT folder", "gguf": "a .gguf file", "served": "served:NAME"}[takes]
        raise ModelError(f"adapter {adapter.path} does not go on {model}: give {wanted}")
    return path


def answers(engine: Engine, prompts: Iterable[str], by: Decoding) -> Iterator[str]:
    """One answer for each prompt, as they come.

    The answer to an empty prompt is empty, so that prompts and answers stay in step.
    """
    waiting = list(prompts)
    for left in range(0, len(waiting), _AT_ONCE):
        batch = waiting[left : left + _AT_ONCE]
        results = iter(engine.answer([p for p in batch if p.strip()], by))
        yield from (next(results)[0] if p.strip() else "" for p in batch)


def _lines() -> list[str]:
    try:
        return [line.removesuffix("\n") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise DataError(f"stdin is not UTF-8 ({error.reason}): pipe text in UTF-8") from error
