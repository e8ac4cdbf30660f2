"""The command line for what is not a test: thin faces on functions that live elsewhere."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from harness.cli import _grade, _judge, _model, _new, _report, _store, _train, _tune
from harness.errors import HarnessError
from harness.measure.machine import choose_threads

MISTAKE = 2
"""A user's mistake; argparse's own code for one."""
INTERRUPTED = 130
PIPE_CLOSED = 141
"""As the shell says it of a process that SIGPIPE ended."""

_COMMANDS = (
    _report.add_plan,
    _new.add,
    _new.add_copy,
    _train.add_train,
    _train.add_answer,
    _grade.add,
    _judge.add,
    _report.add_report,
    _report.add_compare,
    _tune.add,
    _store.add,
    _model.add,
)
"""In the order of the help."""
_CODES = (
    "exit codes: 0 done; 1 a check failed; 2 a mistake, told in one line; 130 stopped by Ctrl-C"
)


def parser() -> argparse.ArgumentParser:
    """All commands. Made without importing torch, as shell completion asks for it at every key."""
    found = argparse.ArgumentParser(
        "python -m harness",
        description="What a LoRA can make a model remember: all but the tests.",
        epilog=_CODES,
    )
    commands = found.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in _COMMANDS:
        add(commands)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    own = parser()
    if find_spec("argcomplete"):
        import_module("argcomplete").autocomplete(own)
    given = own.parse_args(arguments)
    warnings.filterwarnings(
        "ignore", ".*is_gradient_checkpointing", FutureWarning
    )  # PEFT calls what was renamed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a terminal that cannot show a letter still shows the rest
    given.threads = choose_threads()  # before torch is imported
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # ``| head``; what is still in the buffer must not be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code
