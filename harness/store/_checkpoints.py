"""Checkpoints of an unfinished build: published by one rename, verified when read."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.store._manifest import UNREADABLE, file_sha256, sync

log = logging.getLogger(__name__)

_PREFIX = "checkpoint-"
_NEW = "new-"
_SUMS = "sums.json"
"""File in a checkpoint: hex SHA-256 by name of all its other files."""


class Checkpoints:
    """Checkpoints in the folder of one unfinished build.

    Only the holder of the artefact's lock may write here. Each is a folder of flat files. The last
    one is kept until the next is on the disk, so that a crash at any moment leaves a whole one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, number: int, write: Callable[[Path], None]) -> None:
        """Publish what ``write`` puts into an empty folder, then remove those before it.

        ``number`` counts up, such as the step of a training. Raises OSError.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.folder))
        write(new)
        sums = {path.name: file_sha256(path) for path in sorted(new.iterdir())}
        (new / _SUMS).write_text(json.dumps(sums, indent=1), encoding="utf-8")
        for path in [*new.iterdir(), new]:
            sync(path)
        target = self.folder / f"{_PREFIX}{number:012}"
        self._remove(target)  # of another attempt, which came as far
        new.rename(target)
        sync(self.folder)
        for path in [*self._folders(), *self.folder.glob(f"{_NEW}*")]:
            if path != target:
                self._remove(path)

    def any(self) -> bool:
        """Whether there is one, damaged or not."""
        return bool(self._folders())

    def newest(self, tell: Callable[[str], None] = log.warning) -> Path | None:
        """The newest whole one; damaged ones are removed, and told in one line each."""
        for path in reversed(self._folders()):
            if not (damage := self._damage(path)):
                return path
            tell(f"{path.name} of {self.folder.name} is damaged ({damage}) and was removed")
            self._remove(path)
        return None

    def _folders(self) -> list[Path]:
        """The oldest first."""
        return sorted(self.folder.glob(f"{_PREFIX}*"))

    def _damage(self, path: Path) -> str:
        """What is wrong with a checkpoint; empty where nothing is."""
        try:
            sums = json.loads((path / _SUMS).read_text(encoding="utf-8"))
            found = {each.name: file_sha256(each) for each in path.iterdir() if each.name != _SUMS}
        except UNREADABLE as error:
            return f"{_SUMS} cannot be read: {type(error).__name__}"
        return "" if sums == found else "its files are not those that were written"

    def _remove(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
