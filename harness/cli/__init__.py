"""The command line ``python -m harness``: every command but the tests, which pytest runs."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from harness.cli import (
    _answer,
    _grade,
    _judge,
    _memory,
    _model,
    _new,
    _report,
    _serve,
    _store,
    _train,
    _tune,
)
from harness.errors import HarnessError
from harness.measure.machine import choose_threads

MISTAKE = 2
"""A user's mistake; argparse's own code for one."""
INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell gives for a process that SIGPIPE ended."""

_COMMANDS = (
    _report.add_plan,
    _new.add,
    _new.add_copy,
    _train.add_train,
    _answer.add_answer,
    _memory.add,
    _grade.add,
    _judge.add,
    _report.add_report,
    _report.add_compare,
    _tune.add,
    _serve.add,
    _store.add,
    _model.add,
)
"""In the order of the help."""
_CODES = "exit codes: 0 done; 1 a check failed; 2 a mistake, in one line; 130 stopped by Ctrl-C"


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands.

    It does not import torch, because shell completion calls it at every key.
    """
    parser = argparse.ArgumentParser(
        "python -m harness",
        description="What a LoRA can make a model remember: all but the tests.",
        epilog=_CODES,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in _COMMANDS:
        add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code."""
    parser = command_parser()
    if find_spec("argcomplete"):
        import_module("argcomplete").autocomplete(parser)
    options = parser.parse_args(arguments)
    # PEFT calls a name of transformers that was renamed
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a terminal that cannot show a letter still shows the rest
        sys.stdout.reconfigure(errors="backslashreplace")
    options.threads = choose_threads()  # before torch is imported: it reads the number once
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # as in ``| head``: what is still in the buffer must not be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code
