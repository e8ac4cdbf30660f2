"""``store ls|verify|prune``: list the artefacts, check them, remove some."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli._common import Commands, add_store, age, counted, size
from harness.errors import DataError, HarnessError
from harness.models.loading import SHIPPED, base_of
from harness.store import existing_store

if TYPE_CHECKING:
    from harness.store import Choice, Store, StoredArtefact

_SHORT = 12
"""Digits of an artefact's digest that are shown."""
_CONTENT_DIGITS = 8
"""Digits of a content that stand for it where it has no name."""
_SETTINGS = {
    "rank": "rank {}",
    "alpha": "alpha {}",
    "lr": "lr {:g}",
    "epochs": "{} epochs",
    "seed": "seed {}",
}
"""Fields of a training that are shown."""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "store",
        help="list, verify or prune the artefacts",
        description="List, check or remove the artefacts in the store.",
    )
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    ls = tasks.add_parser(
        "ls", help="list them", description="List the artefacts: by kind, last used first."
    )
    ls.set_defaults(run=run_ls)
    verify = tasks.add_parser(
        "verify",
        help="check every file against its manifest",
        description=(
            "Check every file against its manifest. Damaged artefacts are set aside, and built"
            " again when they are next needed; damaged checkpoints are removed; the exit code is"
            " then 1."
        ),
    )
    verify.set_defaults(run=run_verify)
    prune = tasks.add_parser(
        "prune",
        help="remove what is no longer wanted",
        description=(
            "Remove artefacts by kind, by last use, or both. What killed builds left and what was"
            " set aside as damaged is always removed; checkpoints of unfinished trainings are kept"
            " where they are younger than --older-than. An artefact from which one that stays was"
            " made stays too. It is safe beside a running session: artefacts that are locked, or"
            " were used within the last minute, are left alone."
        ),
    )
    prune.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help="only those that no session has used for so many days",
    )
    prune.add_argument(
        "--with-children",
        action="store_true",
        help="also remove what was made from them, of any age and kind",
    )
    prune.add_argument("--dry-run", action="store_true", help="only show what would be removed")
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


def run_ls(options: argparse.Namespace) -> int:
    store = existing_store(options.store, options.store_cache)
    artefacts = _of(store.artefacts(), options.kind)
    print(table(artefacts, time.time()))
    print(f"\n{counted(len(artefacts), 'artefact')}, {size(sum(map(bytes_of, artefacts)))}")
    unfinished = store.unfinished()
    if unfinished:
        folders = f"{counted(len(unfinished), 'folder')}, {size(sum(map(_bytes, unfinished)))}"
        print(f"kept of unfinished builds, which go on from there: {folders}")
    if scraps := [scrap for scrap in store.scraps() if scrap not in unfinished]:
        folders = f"{counted(len(scraps), 'folder')}, {size(sum(map(_bytes, scraps)))}"
        print(
            f"set aside as damaged, or left by builds: {folders}; store prune removes what is not"
            " in use"
        )
    return 0


def run_verify(options: argparse.Namespace) -> int:
    from filelock import Timeout
    from rich.console import Console
    from rich.progress import track

    store = existing_store(options.store, options.store_cache)
    artefacts = _of(store.artefacts(), options.kind)
    console = Console(stderr=True)
    hidden = not console.is_terminal
    damaged = busy = 0
    for artefact in track(artefacts, "verifying", console=console, transient=True, disable=hidden):
        try:
            # the store prints what is wrong, and where the artefact went
            damaged += bool(store.verify(artefact))
        except Timeout:
            busy += 1
    unchecked = f", {busy} in use and not checked" if busy else ""
    print(f"{len(artefacts) - damaged - busy} whole, {damaged} damaged{unchecked}")
    whole_checkpoints, damaged_checkpoints = _verify_checkpoints(store)
    if whole_checkpoints or damaged_checkpoints:
        print(f"unfinished trainings: {whole_checkpoints} whole, {damaged_checkpoints} damaged")
    return 1 if damaged or damaged_checkpoints else 0


def _verify_checkpoints(store: Store) -> tuple[int, int]:
    """How many unfinished trainings have a whole checkpoint, and how many only damaged ones."""
    from filelock import Timeout

    found = []
    for folder in store.unfinished():
        # one that goes on now verifies its own
        with suppress(Timeout):
            found.append(store.verify_checkpoints(folder))
    return found.count(True), found.count(False)


def run_prune(options: argparse.Namespace) -> int:
    from harness.store import choose

    if options.older_than is not None and not options.older_than >= 0:
        raise DataError(f"--older-than is {options.older_than:g}: it must be at least 0 days")
    store, now = existing_store(options.store, options.store_cache), time.time()
    artefacts = store.artefacts()
    _of(artefacts, options.kind)
    # without a kind or an age only scraps are removed
    candidates = artefacts if options.kind or options.older_than is not None else []
    days = options.older_than or 0.0
    choice = choose(candidates, options.kind, days, options.with_children, now)
    scraps = list(_scraps(store, days, now))
    if options.dry_run:
        removed, freed, busy = choice.removed, _freed(choice, scraps), 0
    else:
        removed, freed, busy = _removed(choice, store, scraps)
    if removed:
        print(table(removed, now) + "\n")
    verb = "would be removed" if options.dry_run else "removed"
    print(f"{counted(len(removed), 'artefact')} {verb}, {size(freed)} freed")
    if choice.needed:
        print(
            f"{len(choice.needed)} kept, as others that stay were made from it: --with-children"
            " removes those too"
        )
    if in_use := len(choice.in_use) + busy:
        print(f"{in_use} left alone: locked, or asked for within the last minute")
    return 0


def table(artefacts: Sequence[StoredArtefact], now: float) -> str:
    """A row for each artefact; ``now`` is in seconds since the epoch."""
    from tabulate import tabulate

    names = known_names() if artefacts else {}
    rows = []
    for artefact in sorted(artefacts, key=lambda each: (each.path.parent.name, -each.used)):
        manifest = artefact.manifest
        rows.append(
            (
                artefact.path.parent.name,
                artefact.path.name[:_SHORT],
                describe(manifest.recipe, names)
                if manifest
                else "damaged: its manifest cannot be read",
                size(bytes_of(artefact)),
                age(now - artefact.built),
                age(now - artefact.used),
            )
        )
    head = ("kind", "digest", "what", "size", "built", "used")
    align = ("left", "left", "left", "right", "right", "right") if rows else None
    return str(tabulate(rows, head, "simple", colalign=align, disable_numparse=True))


def bytes_of(artefact: StoredArtefact) -> int:
    """Bytes of the artefact's files."""
    return artefact.manifest.bytes if artefact.manifest else _bytes(artefact.path)


def describe(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """``recipe`` in a line: ``oscars_aug on pocket, rank 64, alpha 128, lr 0.001, 5 epochs``.

    ``names`` has names by content.
    """
    try:
        return _describe(recipe, names)
    except (KeyError, TypeError, AttributeError, ValueError):
        return f"of another version: {recipe.get('kind', 'no kind')}"


@cache
def known_names() -> dict[str, str]:
    """Names by content: of the shipped model, and of the data of the shipped suites."""
    from harness.experiments.selection import Selection, cells, load, shipped

    try:
        base = base_of(SHIPPED)
    except HarnessError:
        return {}
    names = {base.content: base.name}
    for folder in shipped().values():
        for cell in cells(load(folder), Selection((base,))):
            texts = [cell.dataset, cell.subject.calibration_text]
            for text in (*texts, *(ask.probes for ask in cell.asks)):
                names |= {text.content: text.name} if text else {}
    return names


def _describe(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    match recipe["kind"]:
        case "Base" | "GgufBase" | "Dataset" | "ProbeSet":
            return names.get(recipe["content"], recipe["content"][:_CONTENT_DIGITS])
        case "Quantised":
            return f"{_describe(recipe['base'], names)} ({_form(recipe['by'])})"
        case "Adapter":
            return (
                f"{_trained(recipe, names)} on {_describe(recipe['base'], names)},"
                f" {_setting(recipe['training'])}"
            )
        case "ServedBase":
            return f"a served model of {recipe['asked']} ({recipe['content'][:_CONTENT_DIGITS]})"
        case "GgufAdapter":
            return f"for llama.cpp: {_describe(recipe['adapter'], names)}"
        case "Dequantised":
            return f"{_describe(recipe['base'], names)}, dequantised"
        case "Sibling":
            return f"sibling of {_describe(recipe['adapter']['base'], names)}"
        case "GivenAdapter":  # the first name of ExternalAdapter, which recipes keep
            return _trained(recipe, names)
        case "Answers":
            return _answering(recipe, names)
        case "Routed":
            probes = _describe(recipe["probes"], names)
            return f"a policy over {len(recipe['parts'])} stacks, asked on {probes}"
        case "Likelihoods":
            return f"likelihoods: {_answering(recipe, names)}"
        case "Grades":
            return f"{recipe['grader']}: {_describe(recipe['answers'], names)}"
        case other:
            return str(other).lower()


def _trained(adapter: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if "dataset" in adapter:
        return _describe(adapter["dataset"], names)
    return f"adapter {adapter['content'][:_CONTENT_DIGITS]}"


def _setting(training: Mapping[str, Any]) -> str:
    parts = [form.format(training[name]) for name, form in _SETTINGS.items()]
    if training.get("replay"):
        parts.append(f"replay {training['replay']:g}")
    return ", ".join(parts)


def _answering(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    stack = recipe["stack"]
    subject = _describe(stack["base"], names)
    for adapter, scale in stack["adapters"]:
        times = "" if scale == 1 else f" x {scale:g}"
        setting = f", {_setting(adapter['training'])}" if "training" in adapter else ""
        subject += f" + {_trained(adapter, names)}{times}{setting}"
    probes = _describe(recipe["probes"], names)
    if any(_trained(adapter, names) == probes for adapter, _ in stack["adapters"]):
        return subject
    return f"{subject}, asked on {probes}"


def _form(by: Mapping[str, Any]) -> str:
    return f"gptq{by['bits']}" if "bits" in by else str(by["kind"])


def _scraps(store: Store, days: float, now: float) -> Iterator[Path]:
    """What is removed beside artefacts: of unfinished builds only what is older than ``days``."""
    unfinished = store.unfinished()
    for scrap in store.scraps():
        with suppress(FileNotFoundError):  # its build has ended
            if scrap not in unfinished or now - scrap.stat().st_mtime >= days * 86400:
                yield scrap


def _removed(
    choice: Choice, store: Store, scraps: Sequence[Path]
) -> tuple[list[StoredArtefact], int, int]:
    """What was removed, the bytes that this freed, and how many artefacts were in use.

    What an artefact in use was made from is not removed.
    """
    from harness.store import needs

    removed: list[StoredArtefact] = []
    needed: set[str] = set()
    freed = busy = 0
    for artefact in choice.removed:
        space = _bytes(artefact.path)
        if artefact.path.name not in needed and store.remove(artefact.path):
            removed.append(artefact)
            freed += space
        else:
            needed |= needs(artefact.manifest) if artefact.manifest else set()
            busy += 1
    for scrap in scraps:
        space = _bytes(scrap)
        freed += space if store.remove(scrap) else 0
    return removed, freed, busy


def _freed(choice: Choice, scraps: Sequence[Path]) -> int:
    paths = [artefact.path for artefact in choice.removed]
    return sum(map(_bytes, (*paths, *scraps)))


def _of(artefacts: list[StoredArtefact], kinds: Sequence[str]) -> list[StoredArtefact]:
    """Those of ``kinds``, or all without any. Raises DataError on a kind that is not there."""
    known = list(dict.fromkeys(artefact.path.parent.name for artefact in artefacts))
    for kind in kinds:
        if kind not in known:
            raise DataError(
                f"--kind {kind}: none is kept here, but {', '.join(known) or 'nothing'}"
            )
    return [each for each in artefacts if not kinds or each.path.parent.name in kinds]


def _bytes(folder: Path) -> int:
    return sum(_file_sizes(folder))


def _file_sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a build in another process has moved it
            continue
