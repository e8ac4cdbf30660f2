"""``memory``: documents that a model remembers, kept in a folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from harness.cli import _memory_tasks
from harness.cli._common import Commands
from harness.models.loading import SHIPPED

KINDS = ("documents", "passages", "adapters", "sessions", "turns", "events", "settings")


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "memory",
        help="documents and chats that a model remembers",
        description=(
            "A memory is a folder: documents and chats go in, adapters are trained on them, and"
            " questions are answered from both."
        ),
    )
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    _add_create(tasks)
    _add_add(tasks)
    _add_learn(tasks)
    _add_ls(tasks)
    _add_ask(tasks)
    _add_forget(tasks)
    _add_correct(tasks)
    _add_undo(tasks)
    _add_rollup(tasks)
    _add_verify(tasks)
    _add_set(tasks)


def _task(
    tasks: Commands, name: str, help: str, run: Callable[[argparse.Namespace], int], more: str = ""
) -> argparse.ArgumentParser:
    description = f"{help[0].upper()}{help[1:]}. {more}".strip()
    parser: argparse.ArgumentParser = tasks.add_parser(name, help=help, description=description)
    parser.add_argument("folder", type=Path, metavar="DIR", help="the memory")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="", metavar="PATH", help="where the base is, if it has moved"
    )


def _add_session(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--session", metavar="NAME", help=help)


def _add_create(tasks: Commands) -> None:
    parser = _task(tasks, "create", "start a memory in a new folder", _memory_tasks.create)
    parser.add_argument(
        "--model",
        default=str(SHIPPED),
        metavar="PATH",
        help="folder, hub id or .gguf file of the base, or smollm2 [the shipped one]",
    )
    _add_settings(parser)
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="the artefacts [a folder in the memory]"
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="settings: policy=lora window=512 how=plain training.rank=8",
    )


def _add_add(tasks: Commands) -> None:
    parser = _task(
        tasks,
        "add",
        "add documents or chats, and learn them",
        _memory_tasks.add_documents,
        "Text that was there before is not learnt again.",
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=".txt, .md, .pdf, or a chat in .json, .jsonl or .txt",
    )
    _add_session(parser, "for this session alone [for all]")
    parser.add_argument(
        "--later", action="store_true", help="leave the learning to `memory learn` or a server"
    )
    _add_model(parser)


def _add_learn(tasks: Commands) -> None:
    parser = _task(tasks, "learn", "learn what is pending", _memory_tasks.learn)
    _add_model(parser)


def _add_ls(tasks: Commands) -> None:
    parser = _task(tasks, "ls", "list what is in a memory", _memory_tasks.ls)
    parser.add_argument("kind", nargs="?", default="documents", choices=KINDS, help="[%(default)s]")
    parser.add_argument("--document", default="", metavar="NAME", help="passages of this one only")
    parser.add_argument("--state", default="", metavar="NAME", help="such as pending or learnt")
    _add_session(parser, "turns of this session")
    _add_model(parser)


def _add_ask(tasks: Commands) -> None:
    parser = _task(
        tasks,
        "ask",
        "ask the model, with what the memory has on the question",
        _memory_tasks.ask,
        "This works while another process, such as a server, has the memory.",
    )
    parser.add_argument("question", metavar="QUESTION")
    _add_session(parser, "in this session, with its turns and documents")
    parser.add_argument("--policy", default="", metavar="NAME", help="[that of the memory]")
    parser.add_argument(
        "--tokens", type=int, default=100, metavar="N", help="length of the answer [%(default)s]"
    )
    _add_model(parser)


def _add_forget(tasks: Commands) -> None:
    parser = _task(
        tasks,
        "forget",
        "forget a document, a session or a passage",
        _memory_tasks.forget,
        "No adapter that knows it is put on any more; `memory learn` learns the passages beside it"
        " again. `memory undo` takes it back.",
    )
    parser.add_argument("what", metavar="WHAT", help="a name, or the beginning of a passage's id")
    _add_session(parser, "of this session, where several have such a document")
    _add_model(parser)


def _add_correct(tasks: Commands) -> None:
    parser = _task(
        tasks, "correct", "put another text in the place of a passage", _memory_tasks.correct
    )
    parser.add_argument("passage", metavar="PASSAGE", help="the beginning of its id")
    parser.add_argument("text", metavar="TEXT")
    _add_model(parser)


def _add_undo(tasks: Commands) -> None:
    parser = _task(
        tasks,
        "undo",
        "take back the last addition, correction, forgetting or roll-up",
        _memory_tasks.undo,
    )
    _add_model(parser)


def _add_rollup(tasks: Commands) -> None:
    parser = _task(
        tasks,
        "rollup",
        "make one adapter of several",
        _memory_tasks.roll_up,
        "Recall is measured before and after, on questions in wordings that were not trained.",
    )
    parser.add_argument(
        "--method", default="", metavar="NAME", help="concat, svd, ties or distil [the setting]"
    )
    parser.add_argument(
        "--rank", type=int, default=0, metavar="N", help="of svd and ties; 0: their own [0]"
    )
    _add_session(parser, "of this session [the documents of all sessions]")
    parser.add_argument(
        "--tolerated",
        type=float,
        metavar="SHARE",
        help="how far recall may fall; 1: in any case [0.03]",
    )
    _add_model(parser)


def _add_verify(tasks: Commands) -> None:
    parser = _task(tasks, "verify", "check the ledger and every adapter", _memory_tasks.verify)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="set damaged parts aside; `memory learn` learns their passages again",
    )
    _add_model(parser)


def _add_set(tasks: Commands) -> None:
    parser = _task(tasks, "set", "change settings; what was learnt stays", _memory_tasks.configure)
    parser.add_argument("settings", nargs="+", metavar="NAME=VALUE", help="as of `memory create`")
    _add_model(parser)
