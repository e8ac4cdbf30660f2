"""Locks between machines: an object that says who holds it and until when.

A lease saves work, and no result depends on it. Where it fails (a clock is wrong, a holder sleeps
for too long), two machines build the same artefact, and the first one that is published counts.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from typing import NamedTuple

from harness.errors import StoreError
from harness.store._objects import Objects

SECONDS = 60.0
"""After its last renewal a lease holds for so long."""
_SKEW = 10.0
"""Seconds by which clocks of two machines may differ."""


class Held(NamedTuple):
    """A lease as it stands in the store."""

    owner: str
    expires: float
    """Seconds since the epoch, by the clock of its owner."""

    @classmethod
    def read(cls, data: bytes | None) -> Held | None:
        """None where there is none, or one that is no lease."""
        try:
            values = json.loads(data or b"")
            return cls(str(values["owner"]), float(values["expires"]))
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def live(self) -> bool:
        return time.time() < self.expires + _SKEW


class Lease:
    """The lease ``name``, which ``take`` may get and ``release`` gives back."""

    def __init__(self, objects: Objects, name: str, seconds: float = SECONDS) -> None:
        self._objects = objects
        self._key = f"locks/{name}"
        self._seconds = seconds
        self._owner = f"{platform.node()} {os.getpid()} {uuid.uuid4().hex[:8]}"
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def taken(self) -> bool:
        """Whether another holder has it now."""
        held = self._held()
        return held is not None and held.live and held.owner != self._owner

    def take(self) -> bool:
        """Take it, and renew it until ``release``; False where another holder has it."""
        if not self._objects.create(self._key, self._content()):
            held = self._held()
            if held is not None and held.live:
                return False
            # its holder died; of several that find this out, one creates the next lease
            self._objects.remove(self._key)
            if not self._objects.create(self._key, self._content()):
                return False
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        return True

    def release(self) -> None:
        """Give it back; one that another holder took meanwhile is left alone."""
        self._over.set()
        if self._thread:
            self._thread.join()
        held = self._held()
        if held is not None and held.owner == self._owner:
            self._objects.remove(self._key)

    def _held(self) -> Held | None:
        return Held.read(self._objects.read(self._key))

    def _content(self) -> bytes:
        held = Held(self._owner, time.time() + self._seconds)
        return json.dumps(held._asdict()).encode()

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / 4):
            try:
                held = self._held()
                if held is None or held.owner != self._owner:
                    return  # it ran out, and another holder has it: the build goes on all the same
                self._objects.write(self._key, self._content())
            except StoreError:  # the next turn tries again
                continue
