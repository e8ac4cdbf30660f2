"""What a server accepts, and what it refuses in one line."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.server._errors import RefusedError

_MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """The most that a server takes; each is an option of ``harness serve``."""

    body: int = 4 * _MIB
    """Bytes of a request, but for a document."""
    document: int = 32 * _MIB
    """Bytes of a document."""
    sessions: int = 1000
    queue: int = 32
    """Requests that wait for the model, beside the one that it answers."""
    tokens: int = 2048
    """New tokens of one reply."""
    disk: int = 8192 * _MIB
    """Bytes of the memory's folder; beyond them no document is taken."""
    free: int = 64 * _MIB
    """Bytes that must stay free on its disk."""

    def check_disk(self, folder: Path) -> None:
        """Raises RefusedError where ``folder``, or the disk that it is on, has no room."""
        free = shutil.disk_usage(folder).free
        if free < self.free:
            raise RefusedError(
                507,
                f"the disk of the memory has {free // _MIB} MiB left of the {self.free // _MIB}"
                " that must stay free: make some room, then send the document again",
                "disk_full",
            )
        used = folder_bytes(folder)
        if used > self.disk:
            raise RefusedError(
                507,
                f"the memory takes {used // _MIB} MiB of {self.disk // _MIB}: forget or roll up"
                " something, or raise --disk-mib",
                "disk_limit",
            )


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in ``folder``."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:  # a file of the learner that is gone again
            continue
    return total
