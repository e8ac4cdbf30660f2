"""One build as a task in a worker process: what it is sent, and what it sends back."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.builds._build import build
from harness.errors import HarnessError, LaunchError
from harness.measure.machine import threads
from harness.recipes import SCHEMA, Adapter, Recipe, canonical, sha256
from harness.store import Store, open_store
from harness.training import OnStep, Progress, RunOptions

_TELL = 0.5
"""Seconds between two messages on the progress of one training."""
_DIGITS = 24


class Site(NamedTuple):
    """Where builds find and leave artefacts, and how they run: the same for all tasks."""

    store: str
    """A folder that all machines share, or a URL."""
    cache: str
    """The folder of each machine for the files of a URL; empty for the usual one."""
    device: str | None
    threads: int
    """Of each task; they can change the last bits of what is trained on a CPU."""
    checkpoint_minutes: float
    gradient_checkpointing: bool


class Outcome(NamedTuple):
    """What became of one task."""

    name: str
    """The digest of its recipe."""
    started: float
    ended: float
    """Seconds since the epoch, by the clock of its machine."""
    host: str
    process: int
    node: str
    """Ray's id of the node."""
    said: tuple[str, ...]
    """Warnings of the build, a line each."""
    failure: str
    """The user's mistake or missing resource in one line; empty where it was built."""


class Board:
    """An actor that tasks tell their progress, and that the driver asks for it."""

    def __init__(self) -> None:
        self._told: list[tuple[str, Progress]] = []
        self._started: list[str] = []

    def start(self, name: str) -> None:
        """The task ``name`` has begun to run."""
        self._started.append(name)

    def tell(self, name: str, progress: Progress) -> None:
        """A step of the training ``name`` is done."""
        self._told.append((name, progress))

    def take(self) -> tuple[list[str], list[tuple[str, Progress]]]:
        """What was told since the last call: tasks that began, and steps."""
        taken = self._started, self._told
        self._started, self._told = [], []
        return taken


class Order(NamedTuple):
    """One build that a task is to do."""

    recipe: Recipe
    name: str
    """Its digest, by the driver."""
    live: Path | None
    """Where the event files of a training go."""


def build_there(orders: Sequence[Order], site: Site, board: Any) -> list[Outcome]:
    """Build in this worker process, in order; where the first fails the others are not begun.

    Mistakes of the user are in the outcomes. An exception that is no HarnessError is raised.
    """
    outcomes: list[Outcome] = []
    for order in orders:
        outcomes.append(_built(order, site, board))
        if outcomes[0].failure:
            break
    return outcomes


def _built(order: Order, site: Site, board: Any) -> Outcome:
    started = time.time()
    board.start.remote(order.name)
    failure = ""
    with _warnings() as said:
        try:
            _check(order.recipe, order.name, site)
            run = RunOptions(
                site.checkpoint_minutes,
                site.gradient_checkpointing,
                partial(_given, order.live) if order.live else None,
            )
            store = _store(site.store, site.cache)
            build(order.recipe, store, site.device, _teller(board, order.name), run)
        except HarnessError as error:
            failure = str(error)
    return Outcome(
        order.name,
        started,
        time.time(),
        platform.node(),
        os.getpid(),
        _node(),
        tuple(said),
        failure,
    )


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _given(folder: Path, recipe: Adapter) -> Path:
    return folder


@lru_cache(maxsize=4)
def _store(place: str, cache: str) -> Store:
    """Kept by the process, so that it verifies each artefact once."""
    return open_store(place, cache)


def _check(recipe: Recipe, name: str, site: Site) -> None:
    """Raises LaunchError where this machine would not build what the driver asked for."""
    # not digest(): a recipe carries its digest along when it is sent
    own = sha256(f"{SCHEMA}:{canonical(recipe)}")[:_DIGITS]
    if own != name:
        raise LaunchError(
            f"{platform.node()} has another version of the harness: it names {name} {own}: install"
            " the same version on all machines"
        )
    if (found := threads()) != site.threads:
        raise LaunchError(
            f"{platform.node()} computes with {found} threads where {site.threads} are declared:"
            " torch was imported before; start the cluster anew"
        )


def _teller(board: Any, name: str) -> OnStep:
    last = 0.0

    def on_step(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.notes or now - last >= _TELL or progress.step == progress.steps:
            last = now
            board.tell.remote(name, progress)

    return on_step


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Lines that the harness logs in this block: a worker has no terminal to show them on."""
    lines: list[str] = []
    handler = _Lines(lines.append)
    log = logging.getLogger("harness")
    log.addHandler(handler)
    try:
        yield lines
    finally:
        log.removeHandler(handler)


class _Lines(logging.Handler):
    def __init__(self, keep: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        self._keep(record.getMessage())
