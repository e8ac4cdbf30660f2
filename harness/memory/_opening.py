"""Opening a memory: the lock of the one process that writes, and the base that it was made on."""

from __future__ import annotations

import json
import os
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engines import trainable
from harness.errors import ModelError, StoreError
from harness.memory.ledger import Ledger, now
from harness.models.loading import SHIPPED, shipped_content
from harness.recipes import Base

_LOCK = "lock"
HOLDER = "holder.json"
"""Who has the lock, for the message of who does not get it."""


def locked(folder: Path) -> FileLock:
    """The lock of the one process that writes. Raises StoreError with who has it.

    The folder must be there.
    """
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
        (folder / HOLDER).write_text(json.dumps({"process": os.getpid(), "since": now()}))
    except Timeout:
        raise StoreError(
            f"the memory at {folder} is in use by {_holder(folder)}: end that first"
        ) from None
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}): choose a folder that can"
        ) from error
    return lock


def _holder(folder: Path) -> str:
    try:
        held = json.loads((folder / HOLDER).read_text())
        return f"process {held['process']} since {held['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just taken the lock
        return "another process"


def base_of_memory(ledger: Ledger, model: str) -> Base:
    """The base of a memory. Raises ModelError where it is another one, or not there."""
    content, name, path = (ledger.get(each) for each in ("base", "name", "model"))
    if not model and not Path(path).exists() and content == shipped_content():
        path = str(SHIPPED)  # the package has moved
    try:
        base = trainable(model or path)
    except ModelError as error:
        if model:
            raise
        raise ModelError(
            f"the base {name} of the memory at {ledger.path.parent} is not at {path}: say where"
            " it is with --model"
        ) from error
    if base.content != content:
        raise ModelError(
            f"the memory at {ledger.path.parent} was made on {name}, not on {base.name}"
            f" ({model or path}): give that base, or make a memory of its own"
        )
    return base
