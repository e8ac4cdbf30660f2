"""``serve`` answers chats over HTTP, from a memory that learns while it serves."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli._common import Commands
from harness.errors import RecipeError

_MIB = 2**20


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="a chat server with a memory, and its page",
        description=(
            "Answer OpenAI's chat completions from a memory, which learns documents and chats while"
            " it serves. Open the address in a browser for the page. For another host than this"
            " machine, set a token in LORA_MEMORY_TOKEN."
        ),
    )
    parser.add_argument(
        "--memory", type=Path, required=True, metavar="DIR", help="made where there is none"
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="MODEL",
        help="folder, hub id or .gguf file of a new memory's base [a memory knows its own]",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of a new memory, such as policy=retrieval; repeatable",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="NAME", help="[%(default)s]")
    parser.add_argument(
        "--port", type=int, default=8000, metavar="N", help="0: a free one [%(default)s]"
    )
    parser.add_argument("--no-learner", action="store_true", help="learn nothing while it serves")
    for name, default, what in (
        ("document-mib", 32, "the longest document"),
        ("disk-mib", 8192, "the most that the memory's folder may take"),
        ("free-mib", 64, "what must stay free on its disk"),
        ("sessions", 1000, "the most sessions"),
        ("queue", 32, "the most requests that wait"),
        ("tokens", 2048, "the most new tokens of a reply"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{what} [%(default)s]"
        )
    parser.set_defaults(run=run_serve)


def run_serve(options: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from harness.errors import MissingExtraError

    if not (find_spec("fastapi") and find_spec("uvicorn")):
        raise MissingExtraError("the server", "server")
    from harness.memory import DEFAULTS
    from harness.server import Limits, serve

    for name in ("document_mib", "disk_mib", "free_mib", "sessions", "queue", "tokens"):
        if getattr(options, name) < 0:
            raise RecipeError(
                f"--{name.replace('_', '-')} is {getattr(options, name)}: give a number from 0"
            )
    limits = Limits(
        document=options.document_mib * _MIB,
        disk=options.disk_mib * _MIB,
        free=options.free_mib * _MIB,
        sessions=options.sessions,
        queue=options.queue,
        tokens=options.tokens,
    )
    serve(
        options.memory,
        options.model,
        DEFAULTS.changed(tuple(options.set), "--set"),
        options.host,
        options.port,
        limits,
        learns=not options.no_learner,
    )
    return 0
