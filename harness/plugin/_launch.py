"""``--launch``: builds in this process, or as tasks on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.builds import RayLauncher, Site, check_ray
from harness.errors import MissingExtraError
from harness.recipes import Adapter
from harness.store import Store, is_url
from harness.training import RunOptions

_HERE, _RAY = "here", "ray"
_HELP = (
    "where builds run: here, or as tasks on a Ray cluster: ray (one is started on this machine) or"
    " ray=ADDRESS, such as ray=auto or ray=10.0.0.1:6379"
)
THREADS_SET = pytest.StashKey[int]()
"""Threads that the user's environment names; 0 where it does not."""


def add_launch(parser: pytest.Parser) -> None:
    parser.getgroup("harness").addoption("--launch", metavar="WHERE", help=f"{_HELP} [{_HERE}]")
    parser.addini("launch", _HELP, default=_HERE)


def launcher_of(
    config: pytest.Config,
    store: Store,
    device: str | None,
    run: RunOptions,
    live: Callable[[Adapter], Path] | None,
) -> RayLauncher | None:
    """What ``--launch`` names; None where builds run in this process.

    Raises:
        pytest.UsageError: the place is unknown, or Ray is not installed, or there is ``-n``.
    """
    text = _wanted(config)
    place, equals, address = text.partition("=")
    if text == _HERE:
        return None
    if place != _RAY or (equals and not address):
        raise pytest.UsageError(f"--launch {text!r}: give {_HERE}, {_RAY} or {_RAY}=ADDRESS")
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(
            f"--launch {text} with -n: leave -n out, as the cluster has processes of its own"
        )
    try:
        check_ray()
    except MissingExtraError as error:
        raise pytest.UsageError(str(error)) from None
    site = Site(
        store=store.place,
        cache=str(store.root.absolute()) if is_url(store.place) else "",
        device=device,
        threads=config.stash[THREADS_SET] or 1,
        checkpoint_minutes=run.checkpoint_minutes,
        gradient_checkpointing=run.gradient_checkpointing,
    )
    return RayLauncher(store, site, address or None, live)


def launches_elsewhere(config: pytest.Config) -> bool:
    """Whether ``--launch`` names another place than this process."""
    return _wanted(config) != _HERE


def _wanted(config: pytest.Config) -> str:
    return str(config.getoption("launch") or config.getini("launch"))
