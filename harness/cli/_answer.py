"""``answer`` asks a model, with adapters or without."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.cli._common import Commands, add_device, add_store, add_turns, chat_of
from harness.data.formats import CHAT, FORMATS, ask
from harness.engines import DECODINGS, Engine, decoding, identify
from harness.errors import DataError, ModelError
from harness.models.loading import SHIPPED, located
from harness.recipes import (
    ChatPrompt,
    Decoding,
    Dequantised,
    ExternalAdapter,
    GgufBase,
    Prompt,
)
from harness.store import Store, open_store

OpenStore = Callable[[], Store]

RAW = "raw"
"""For ``--format``: prompts as they are."""
_AT_ONCE = 64
"""Prompts that are answered before their answers are printed."""


def add_answer(commands: Commands) -> None:
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
        help="folder, hub id, .gguf file, smollm2 or openai:NAME@URL [the shipped model]",
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="[NAME=]WHAT[:SCALE]",
        help="a PEFT folder, a .gguf file or served:NAME; repeatable, they add up",
    )
    parser.add_argument(
        "--decoding",
        default="deterministic",
        metavar="NAME[,FIELD=VALUE...]",
        help=f"how text is generated: {', '.join(DECODINGS)} [deterministic]",
    )
    parser.add_argument(
        "--format",
        choices=[RAW, CHAT, *sorted(FORMATS)],
        help=(
            "raw: the model continues the prompt as it is; chat: a turn in its chat template; else"
            " a question in this format [chat where the model has a template, else raw]"
        ),
    )
    add_turns(parser)
    parser.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16"], help="[%(default)s]"
    )
    add_store(parser)
    add_device(parser)
    parser.set_defaults(run=run_answer)


def run_answer(options: argparse.Namespace) -> int:
    if not options.prompts and sys.stdin.isatty():
        raise DataError("no prompt: give some, or pipe them in, one a line")
    settings = decoding(options.decoding)
    chat = chat_of(options, identify(options.model))

    def prompted(text: str) -> Prompt:
        if chat:
            return ChatPrompt(text, chat)
        return text if options.format in (None, RAW) else ask(options.format, text)

    with TemporaryDirectory(prefix="lora-memory-") as scratch:
        engine, stack = _opened(options, Path(scratch))
        prompts = options.prompts or _lines()
        with engine.with_stack(stack):
            for answer in answers(engine, prompts, settings, prompted):
                print(" ".join(answer.splitlines()), flush=True)
    return 0


def _opened(options: argparse.Namespace, scratch: Path) -> tuple[Engine, list[tuple[Path, float]]]:
    """The engine of ``--model``, and what it loads of each ``--adapter``, with its scale.

    Adapters are checked before the model is loaded. PEFT folders for a .gguf base are converted
    into the folder ``scratch``.
    """
    from harness.engines import engine_for, served
    from harness.models.external import fitting, scaled_adapter
    from harness.models.loading import base_of

    model = str(located(options.model))
    adapters = [scaled_adapter(text) for text in options.adapter]
    if served(model):
        takes = "served"
    elif model.endswith(".gguf"):
        takes = "gguf"
    else:
        takes = "folder"
        base = base_of(model)
        for adapter, _ in adapters:
            fitting(adapter, [base])  # raises where it does not fit
    opened = partial(open_store, options.store, options.store_cache)
    stack = [
        (_weights(adapter, model, takes, scratch, opened), scale) for adapter, scale in adapters
    ]
    return engine_for(model, options.dtype, options.device), stack


def _weights(
    adapter: ExternalAdapter, model: str, takes: str, scratch: Path, store: OpenStore
) -> Path:
    """What the engine of ``model`` loads of ``adapter``: a folder, a file or a server's name.

    Raises:
        ModelError: ``model`` takes adapters of another form, and a conversion is not possible.
    """
    path = Path(adapter.path)
    if takes == "gguf" and adapter.form == "folder":
        from harness.models.external import full_base
        from harness.models.gguf import convert_adapter

        file = scratch / f"{adapter.content}.gguf"
        base = _dequantised(path, model, store) or full_base(path)
        convert_adapter(path, base, file)
        return file
    if takes != adapter.form:
        wanted = {"folder": "a PEFT folder", "gguf": "a .gguf file", "served": "served:NAME"}[takes]
        raise ModelError(f"adapter {adapter.path} does not go on {model}: give {wanted}")
    return path


def _dequantised(adapter: Path, model: str, store: OpenStore) -> Path | None:
    """The folder of the GGUF file ``model``, if ``adapter`` was trained on that file; else None.

    It is built where ``store`` has lost it.
    """
    from harness.builds import build
    from harness.engines import identify
    from harness.models.external import base_content

    base = identify(model)
    if not isinstance(base, GgufBase) or base_content(adapter) != base.content:
        return None
    return build(Dequantised.of(base), store()).path


def answers(
    engine: Engine,
    prompts: Iterable[str],
    settings: Decoding,
    prompted: Callable[[str], Prompt] = str,
) -> Iterator[str]:
    """One answer for each prompt, batch by batch; the answer to an empty prompt is empty.

    ``prompted`` puts a prompt into a format.
    """
    texts = list(prompts)
    for start in range(0, len(texts), _AT_ONCE):
        batch = texts[start : start + _AT_ONCE]
        results = iter(engine.answer([prompted(p) for p in batch if p.strip()], settings))
        # prompts from a pipe and their answers stay in step
        yield from (next(results)[0] if p.strip() else "" for p in batch)


def _lines() -> list[str]:
    try:
        return [line.removesuffix("\n") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise DataError(f"stdin is not UTF-8 ({error.reason}): pipe text in UTF-8") from error
