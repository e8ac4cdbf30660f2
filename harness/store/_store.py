"""Content-addressed artefacts: built once, published whole, verified when loaded."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from harness.errors import StoreError
from harness.recipes import Recipe, digest, plain
from harness.store._manifest import Manifest, file_digests, library_versions, machine, total_bytes

log = logging.getLogger(__name__)

Build = Callable[[Path], dict[str, Any]]
"""Writes an artefact's files into the empty folder it is given; returns JSON-ready facts about it."""


class Artefact(NamedTuple):
    """A folder of built files, and the record of how they came about."""

    path: Path
    manifest: Manifest


class Store:
    """Artefacts below ``root``, safe for several processes, crashes and Ctrl-C.

    Raises StoreError, in one line, when ``root`` cannot be written or is full.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[str] = set()
        try:
            with self._disk():
                for name in ("locks", "tmp", "aside"):
                    (root / name).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=root / "tmp").close()
        except FileNotFoundError as error:  # what /proc says to a new folder
            raise StoreError(f"store {root} cannot be made ({error.strerror}): choose another folder") from error

    def get(self, recipe: Recipe, build: Build, parents: tuple[str, ...] = ()) -> Artefact:
        """The artefact of ``recipe``, built by ``build`` unless a whole one is there.

        Concurrent callers wait for the first; whatever ``build`` raises leaves the store as it was.
        """
        with self._lock(digest(recipe)):
            return self.peek(recipe) or self._make(recipe, build, parents)

    def peek(self, recipe: Recipe) -> Artefact | None:
        """The artefact if it is there and whole; a damaged one is set aside, with one line in the log."""
        folder = self._folder(recipe)
        if not folder.exists():
            return None
        try:
            return Artefact(folder, self._check(folder))
        except (OSError, ValueError, TypeError, KeyError) as damage:
            self._set_aside(folder, damage)
            return None

    def _make(self, recipe: Recipe, build: Build, parents: tuple[str, ...]) -> Artefact:
        self._sweep(digest(recipe))
        with self._disk(), self._private_folder(recipe) as folder:
            started = time.perf_counter()
            facts = build(folder)
            manifest = self._record(recipe, folder, parents, time.perf_counter() - started, facts)
            target = self._folder(recipe)
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
            _sync(target.parent)
        self._verified.add(manifest.digest)
        return Artefact(target, manifest)

    def _record(
        self, recipe: Recipe, folder: Path, parents: tuple[str, ...], seconds: float, facts: dict[str, Any]
    ) -> Manifest:
        files = file_digests(folder)
        manifest = Manifest(
            digest=digest(recipe),
            kind=type(recipe).__name__,
            recipe=plain(recipe),
            parents=parents,
            files=files,
            versions=library_versions(),
            machine=machine(),
            seconds=seconds,
            bytes=total_bytes(folder, files),
            facts=facts,
        )
        manifest.write(folder)
        for path in [*folder.rglob("*"), folder]:
            _sync(path)
        return manifest

    def _check(self, folder: Path) -> Manifest:
        manifest = Manifest.read(folder)
        if manifest.digest in self._verified:
            return manifest
        if (manifest.digest, manifest.files) != (folder.name, file_digests(folder)):
            raise ValueError("its files are not those that were built")
        self._verified.add(manifest.digest)
        return manifest

    def _set_aside(self, folder: Path, damage: Exception) -> None:
        with self._disk():
            aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=self.root / "aside"))
            folder.rename(aside / folder.name)
        log.warning("artefact %s is damaged (%s): set aside in %s, to be rebuilt", folder.name, damage, aside)

    def _sweep(self, name: str) -> None:
        """Remove what a killed build left; the digest's lock is held, so nobody else is at it."""
        for left in (self.root / "tmp").glob(f"{name}-*"):
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _private_folder(self, recipe: Recipe) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix=f"{digest(recipe)}-", dir=self.root / "tmp"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with self._disk():
            lock = FileLock(self.root / "locks" / name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                mend = "is full: free space, or choose another folder"
            elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
                mend = f"cannot be written ({error.strerror}): choose another folder"
            else:
                raise
            raise StoreError(f"store {self.root} {mend}") from error

    def _folder(self, recipe: Recipe) -> Path:
        return self.root / type(recipe).__name__.lower() / digest(recipe)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
