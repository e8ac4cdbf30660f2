"""``copy-suite``: a suite that comes along, in a folder of the user's."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from harness.cli._common import Commands
from harness.errors import DataError, StoreError
from harness.facts import shipped_folder

_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "copy-suite",
        help="copy a suite of the harness here",
        description="Copy a suite that comes along into ./suites, with its gates and its page, ready"
        " for pytest: an installed harness has no checkout to run it in.",
    )
    parser.add_argument("name", metavar="NAME", help="such as oscars")
    parser.add_argument("--in", dest="parent", type=Path, default=Path("suites"), metavar="DIR", help="parent [suites]")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    source, target = _shipped(arguments.name), arguments.parent / arguments.name
    if target.exists():
        raise StoreError(f"{target} is there already: move it, or give another --in")
    try:
        shutil.copytree(source, target, ignore=_NOT_COPIED)
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror}): give another --in") from error
    print(f"{target}\n\nnext: pytest {target} --plan, then pytest {target}")
    return 0


def _shipped(name: str) -> Path:
    """Raises DataError where no suite that comes along has this name."""
    suites = shipped_folder("suites")
    names = sorted(folder.name for folder in suites.glob("*") if any(folder.glob("test_*.py")))
    if name not in names:
        raise DataError(f"suite {name!r} is unknown: choose one of {', '.join(names)}")
    return suites / name
