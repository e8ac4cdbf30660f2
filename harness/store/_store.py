"""Content-addressed artefacts: built once, published whole, verified when loaded."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from harness.errors import StoreError
from harness.measure.machine import machine
from harness.recipes import Recipe, digest, plain
from harness.store._manifest import Journal, Manifest, file_digests, library_versions, total_bytes

log = logging.getLogger(__name__)

_OWN = ("locks", "tmp", "aside")
_PARTIAL = "partial"
_NO_KINDS = (*_OWN, _PARTIAL)
_DIGEST = re.compile("[0-9a-f]{24}")
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
)  # what reading an artefact raises that is not whole

Build = Callable[[Path], dict[str, Any]]
"""Writes an artefact's files into the empty folder it is given; returns JSON-ready
facts about it."""


class Artefact(NamedTuple):
    """A folder of built files, and the record of how they came about."""

    path: Path
    manifest: Manifest


class StoredArtefact(NamedTuple):
    """What lies in the store under one digest, whole or not."""

    path: Path
    manifest: Manifest | None
    """None where it cannot be read."""
    built: float
    """When, in seconds since the epoch."""
    used: float
    """When a session last asked for it."""


class Store:
    """Artefacts below ``root``, safe for several processes, crashes and Ctrl-C.

    Raises StoreError, in one line, when ``root`` cannot be written or is full.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.meanwhile: Callable[[], bool] = lambda: False
        """What to do while another process builds what is asked for here; says whether there was
        anything to do."""
        self._waits = True
        self._verified: set[str] = set()
        try:
            with self._disk():
                for name in _OWN:
                    (root / name).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=root / "tmp").close()
        except FileNotFoundError as error:  # what /proc says to a new folder
            raise StoreError(
                f"store {root} cannot be made ({error.strerror}): choose another folder"
            ) from error

    def get(self, recipe: Recipe, build: Build, parents: tuple[str, ...] = ()) -> Artefact:
        """The artefact of ``recipe``, built by ``build`` unless a whole one is there.

        Concurrent callers do ``meanwhile`` and wait for the first; whatever ``build`` raises leaves
        the store as it was.

        Raises:
            Timeout: within ``unwaiting``, and somebody builds it at this moment.
        """
        if (found := self.peek(recipe)) is not None:
            return found
        with self._lock(digest(recipe)):
            return self._read_or_set_aside(self._folder(recipe)) or self._make(
                recipe, build, parents
            )

    def peek(self, recipe: Recipe) -> Artefact | None:
        """The artefact if it is there and whole; a damaged one is set aside, with one line in the
        log.

        Where another process has it under its lock, that one sees to the damage.
        """
        folder = self._folder(recipe)
        try:
            return self._read(folder)
        except _DAMAGE:  # or another process was about to replace it
            with suppress(Timeout), self._lock(folder.name, wait=False):
                return self._read_or_set_aside(folder)
        return None

    @contextmanager
    def unwaiting(self) -> Iterator[None]:
        """Within, ``get`` raises Timeout where it would wait.

        For who builds something else while it holds a lock: it must wait for nobody, as that one
        may wait for the lock, and least of all for itself.
        """
        before, self._waits = self._waits, False
        try:
            yield
        finally:
            self._waits = before

    def busy(self, recipe: Recipe) -> bool:
        """Whether somebody builds ``recipe`` at this moment."""
        try:
            with self._lock(digest(recipe), wait=False):
                return False
        except Timeout:
            return True

    @contextmanager
    def journal(self, recipe: Recipe) -> Iterator[Journal]:
        """What builds of ``recipe`` that failed in the middle were told; to be used while it is
        built."""
        with self._disk():
            journal = Journal(self.root / _PARTIAL / digest(recipe) / "journal.jsonl")
            try:
                yield journal
            finally:
                journal.close()

    def forget(self, recipe: Recipe) -> None:
        """Remove the journal of ``recipe``, which is built now."""
        shutil.rmtree(self.root / _PARTIAL / digest(recipe), ignore_errors=True)

    @classmethod
    def existing(cls, root: Path) -> Store:
        """The store at ``root``. Raises StoreError where none is: upkeep moves and
        removes folders."""
        if not all((root / name).is_dir() for name in _OWN):
            raise StoreError(
                f"no store at {root}: give the folder that a session was given as --store"
            )
        return cls(root)

    def kept(self) -> list[StoredArtefact]:
        """Everything that was published, by kind and then by digest; none of it is verified, nor
        counts as used."""
        folders = (
            p
            for p in sorted(self.root.glob("*/*"))
            if p.parent.name not in _NO_KINDS and p.is_dir()
        )
        return [found for p in folders if _DIGEST.fullmatch(p.name) and (found := _kept(p))]

    def scraps(self) -> list[Path]:
        """Damaged artefacts that were set aside, and what failed builds (and builds at work) have
        written so far."""
        return sorted(
            path
            for name in ("aside", "tmp", _PARTIAL)
            for path in self.root.glob(f"{name}/*")
            if path.is_dir()
        )

    def damage(self, kept: StoredArtefact) -> str:
        """What is wrong with an artefact's files, now set aside; empty where nothing is, or where
        it is gone.

        Raises:
            Timeout: another process holds its lock.
        """
        with self._lock(kept.path.name, wait=False):
            self._verified.discard(kept.path.name)
            try:
                self._check(kept.path)
            except _DAMAGE as damage:
                return _in_words(damage) if self._set_aside(kept.path, damage) else ""
        return ""

    def remove(self, folder: Path) -> bool:
        """Remove one of ``kept()`` or ``scraps()``; False where another process has it under its
        lock."""
        try:
            with self._lock(folder.name[:24], wait=False), self._disk():
                gone = folder
                if folder.parent.parent == self.root and folder.parent.name not in _NO_KINDS:
                    # By one rename, so that nobody meets half an artefact; what a crash leaves is a
                    # scrap.
                    gone = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=self.root / "tmp"))
                    with suppress(FileNotFoundError):
                        folder.rename(gone / folder.name)
                    self._verified.discard(folder.name)
                shutil.rmtree(gone, ignore_errors=True)
        except Timeout:
            return False
        return True

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
        self,
        recipe: Recipe,
        folder: Path,
        parents: tuple[str, ...],
        seconds: float,
        facts: dict[str, Any],
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

    def _read(self, folder: Path) -> Artefact | None:
        """None where there is none. Raises one of ``_DAMAGE``."""
        if not folder.exists():
            return None
        found = Artefact(folder, self._check(folder))
        _touch(folder)
        return found

    def _read_or_set_aside(self, folder: Path) -> Artefact | None:
        """None where there is none that is whole; its lock is held, so nobody else is at it."""
        try:
            return self._read(folder)
        except _DAMAGE as damage:
            self._set_aside(folder, damage)
            return None

    def _set_aside(self, folder: Path, damage: Exception) -> bool:
        """Its lock is held. False where it is gone, as whoever removed it did not ask
        for the lock."""
        with self._disk():
            aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=self.root / "aside"))
            try:
                folder.rename(aside / folder.name)
            except FileNotFoundError:
                aside.rmdir()
                return False
        log.warning(
            "artefact %s is damaged (%s): set aside in %s, to be rebuilt",
            folder.name,
            damage,
            aside,
        )
        return True

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
    def _lock(self, name: str, wait: bool = True) -> Iterator[None]:
        """Where another process has it, does ``meanwhile`` and then waits; without ``wait``, raises
        Timeout.

        So it does within ``unwaiting``.
        """
        with self._disk():
            lock, patience = FileLock(self.root / "locks" / name), 0
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=patience)
                except Timeout:
                    if not (wait and self._waits):
                        raise
                    patience = 0 if self.meanwhile() else -1
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
            elif error.errno in (
                errno.EACCES,
                errno.EPERM,
                errno.EROFS,
                errno.ENOTDIR,
                errno.EEXIST,
            ):
                mend = f"cannot be written ({error.strerror}): choose another folder"
            else:
                raise
            raise StoreError(f"store {self.root} {mend}") from error

    def _folder(self, recipe: Recipe) -> Path:
        return self.root / type(recipe).__name__.lower() / digest(recipe)


def _kept(folder: Path) -> StoredArtefact | None:
    """None where it was removed meanwhile."""
    try:
        manifest = Manifest.read(folder)
    except (OSError, ValueError, TypeError, KeyError):
        manifest = None
    try:
        used = folder.stat().st_mtime
        written = folder / "manifest.json"
        return StoredArtefact(
            folder, manifest, written.stat().st_mtime if written.exists() else used, used
        )
    except FileNotFoundError:
        return None


def _touch(folder: Path) -> None:
    """Note the use in the folder's own time, by which pruning goes; a store may well be
    read-only."""
    with suppress(OSError):
        os.utime(folder)


def _in_words(damage: Exception) -> str:
    return (
        str(damage)
        if type(damage) is ValueError
        else f"its manifest cannot be read ({type(damage).__name__})"
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
