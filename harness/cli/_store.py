"""``store ls|verify|prune``: what is kept, whether it is whole, and what may go."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._common import Commands, add_store, age, counted, size
from harness.cli._model import describe, known_names
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.store import Choice, Store, StoredArtefact

_SHORT = 12  # digits of a digest that are shown


def add(commands: Commands) -> None:
    own = commands.add_parser(
        "store",
        help="list, verify or prune the artefacts",
        description="What is kept, whether it is whole, and what may go.",
    )
    tasks = own.add_subparsers(title="tasks", metavar="TASK", required=True)
    ls = tasks.add_parser(
        "ls", help="what is kept", description="List what is kept: by kind, last used first."
    )
    ls.set_defaults(run=run_ls)
    verify = tasks.add_parser(
        "verify",
        help="check every file against its manifest",
        description=(
            "Check every file against its manifest. Damaged artefacts are set aside (and built"
            " again when they are next asked for); the exit code is then 1."
        ),
    )
    verify.set_defaults(run=run_verify)
    prune = tasks.add_parser(
        "prune",
        help="remove what is no longer wanted",
        description=(
            "Remove artefacts by kind, by last use, or both; and always what killed builds left and"
            " what was set aside as damaged. What an artefact that stays was made from stays too."
            " Safe beside a running session: what is locked, or was asked for within the last"
            " minute, is left alone."
        ),
    )
    prune.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help="no session has asked for it in so many days",
    )
    prune.add_argument(
        "--with-children",
        action="store_true",
        help="remove what was made from them too, however young and of any kind",
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.set_defaults(run=run_prune)
    for task in (ls, verify, prune):
        add_store(task)
        task.add_argument(
            "--kind",
            action="append",
            default=[],
            metavar="KIND",
            help="such as adapter; repeatable",
        )


def run_ls(given: argparse.Namespace) -> int:
    store = _open(given.store)
    kept = _of(store.artefacts(), given.kind)
    print(table(kept, time.time()))
    print(f"\n{counted(len(kept), 'artefact')}, {size(sum(map(bytes_of, kept)))}")
    if scraps := store.scraps():
        left = f"{counted(len(scraps), 'folder')}, {size(sum(map(_bytes, scraps)))}"
        print(
            f"set aside as damaged, or left by builds: {left}; store prune removes what is not"
            " in use"
        )
    return 0


def run_verify(given: argparse.Namespace) -> int:
    from filelock import Timeout
    from rich.console import Console
    from rich.progress import track

    store = _open(given.store)
    kept, console = _of(store.artefacts(), given.kind), Console(stderr=True)
    damaged = busy = 0
    for one in track(
        kept, "verifying", console=console, transient=True, disable=not console.is_terminal
    ):
        try:
            damaged += bool(
                store.verify(one)
            )  # the store itself says which, why, and where it went
        except Timeout:
            busy += 1
    print(
        f"{len(kept) - damaged - busy} whole, {damaged} damaged"
        + (f", {busy} in use and not checked" * bool(busy))
    )
    return 1 if damaged else 0


def run_prune(given: argparse.Namespace) -> int:
    from harness.store import choose

    if given.older_than is not None and not given.older_than >= 0:
        raise DataError(f"--older-than is {given.older_than:g}: it must be at least 0 days")
    store, now = _open(given.store), time.time()
    kept = store.artefacts()
    _of(kept, given.kind)
    wanted = bool(given.kind) or given.older_than is not None
    choice = choose(
        kept if wanted else [], given.kind, given.older_than or 0.0, given.with_children, now
    )
    removed, freed, busy = (
        (choice.removed, _freed(choice, store), 0) if given.dry_run else _removed(choice, store)
    )
    if removed:
        print(table(removed, now) + "\n")
    verb = "would be removed" if given.dry_run else "removed"
    print(f"{counted(len(removed), 'artefact')} {verb}, {size(freed)} freed")
    if choice.needed:
        print(
            f"{len(choice.needed)} kept, as others that stay were made from it: --with-children"
            " removes those too"
        )
    if left := len(choice.in_use) + busy:
        print(f"{left} left alone: locked, or asked for within the last minute")
    return 0


def table(kept: Sequence[StoredArtefact], now: float) -> str:
    """A row an artefact."""
    from tabulate import tabulate

    names = known_names() if kept else {}
    rows = [
        (
            one.path.parent.name,
            one.path.name[:_SHORT],
            (
                describe(one.manifest.recipe, names)
                if one.manifest
                else "damaged: its manifest cannot be read"
            ),
            size(bytes_of(one)),
            age(now - one.built),
            age(now - one.used),
        )
        for one in sorted(kept, key=lambda one: (one.path.parent.name, -one.used))
    ]
    right = ("left", "left", "left", "right", "right", "right")
    head = ("kind", "digest", "what", "size", "built", "used")
    return str(
        tabulate(rows, head, "simple", colalign=right if rows else None, disable_numparse=True)
    )


def bytes_of(kept: StoredArtefact) -> int:
    """Bytes of the artefact's files."""
    return kept.manifest.bytes if kept.manifest else _bytes(kept.path)


def _removed(choice: Choice, store: Store) -> tuple[list[StoredArtefact], int, int]:
    """What went, the bytes that it freed, and how many were in use; what those were made from
    stays."""
    from harness.store import needs

    removed: list[StoredArtefact] = []
    held: set[str] = set()
    freed = busy = 0
    for one in choice.removed:
        space = _bytes(one.path)
        if one.path.name not in held and store.remove(one.path):
            removed, freed = [*removed, one], freed + space
        else:
            held |= needs(one.manifest) if one.manifest else set()
            busy += 1
    for scrap in store.scraps():
        space = _bytes(scrap)
        freed += space if store.remove(scrap) else 0
    return removed, freed, busy


def _freed(choice: Choice, store: Store) -> int:
    return sum(_bytes(path) for path in (*(one.path for one in choice.removed), *store.scraps()))


def _open(root: Path) -> Store:
    from harness.store import Store

    return Store.existing(root)


def _of(kept: list[StoredArtefact], kinds: Sequence[str]) -> list[StoredArtefact]:
    """Those of ``kinds``. Raises DataError on a kind that the store does not hold."""
    known = list(dict.fromkeys(one.path.parent.name for one in kept))
    for kind in kinds:
        if kind not in known:
            raise DataError(
                f"--kind {kind}: none is kept here, but {', '.join(known) or 'nothing'}"
            )
    return [one for one in kept if not kinds or one.path.parent.name in kinds]


def _bytes(folder: Path) -> int:
    return sum(_file_sizes(folder))


def _file_sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a build beside us is done with it
            continue
