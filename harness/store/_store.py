"""The store of artefacts: built once, published by one rename, verified when read."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from harness.errors import StoreError
from harness.measure.machine import machine
from harness.recipes import Recipe, digest, plain
from harness.store._checkpoints import Checkpoints
from harness.store._disk import disk_of
from harness.store._manifest import (
    NAME,
    UNREADABLE,
    Journal,
    Manifest,
    StoredArtefact,
    file_digests,
    in_words,
    library_versions,
    sync,
    total_bytes,
    touch,
)

log = logging.getLogger(__name__)

_FOLDERS = ("locks", "tmp", "aside")
_PARTIAL = "partial"
UNSENT = "unsent"
"""Folder of a cache with a mark for each artefact that is built and not published yet."""
NO_KINDS = (*_FOLDERS, _PARTIAL, UNSENT)
"""Folders of a store that hold no artefacts."""
_DIGEST_LENGTH = 24
_DIGEST = re.compile(f"[0-9a-f]{{{_DIGEST_LENGTH}}}")

Build = Callable[[Path], dict[str, Any]]
"""Writes an artefact's files into an empty folder, and returns JSON-ready facts about it."""


class Artefact(NamedTuple):
    """A folder of built files, and the record of the build."""

    path: Path
    manifest: Manifest


class Store:
    """Artefacts below ``root``, safe for several processes, crashes and Ctrl-C.

    An artefact is built in a temporary folder under the lock of its digest, then published by one
    rename. Raises StoreError, in one line, when ``root`` cannot be written or is full.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.meanwhile: Callable[[], bool] = lambda: False
        """Called while another process builds the requested artefact; returns whether it found
        any work to do."""
        self._waits = True
        self._verified: set[str] = set()
        try:
            with self._disk():
                for name in _FOLDERS:
                    (root / name).mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=root / "tmp").close()
        except FileNotFoundError as error:  # the error of a new folder below /proc
            raise StoreError(
                f"store {root} cannot be made ({error.strerror}): choose another folder"
            ) from error

    @property
    def place(self) -> str:
        """The folder, as other processes on machines that share it find it."""
        return str(self.root.absolute())

    @classmethod
    def existing(cls, root: Path) -> Store:
        """The store at ``root``, for upkeep, which moves and removes folders.

        Raises:
            StoreError: there is no store at ``root``.
        """
        if not all((root / name).is_dir() for name in _FOLDERS):
            raise StoreError(
                f"no store at {root}: give the folder that a session was given as --store"
            )
        return cls(root)

    def get(self, recipe: Recipe, build: Build, parents: tuple[str, ...] = ()) -> Artefact:
        """The artefact of ``recipe``, built by ``build`` unless an undamaged one is there.

        If another process builds it, this one calls ``meanwhile`` and then waits. An exception in
        ``build`` leaves the store unchanged.

        Raises:
            Timeout: within ``without_waiting``, when another process is building it.
        """
        if (artefact := self.peek(recipe)) is not None:
            return artefact
        with self._lock(digest(recipe)):
            # Another process may have built it while this one waited for the lock.
            artefact = self._read_or_set_aside(self.folder(recipe))
            return artefact or self._build(recipe, build, parents)

    def peek(self, recipe: Recipe) -> Artefact | None:
        """The artefact if it is there and undamaged; it is never built.

        A damaged one is set aside, with one line in the log, unless another process holds its
        lock: then that process does so.
        """
        folder = self.folder(recipe)
        try:
            return self._read(folder)
        except UNREADABLE:  # or another process was about to replace it
            with suppress(Timeout), self._lock(folder.name, wait=False):
                return self._read_or_set_aside(folder)
        return None

    def has(self, recipe: Recipe, now: bool = False) -> bool:
        """Whether the artefact is there; ``now``: not by what was there seconds ago."""
        return self.peek(recipe) is not None

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Within this block, ``get`` raises Timeout where it would wait.

        For a caller that builds something else while it holds a lock. It must not wait: the other
        process may wait for that lock, and the caller itself may hold the one that it needs.
        """
        before = self._waits
        self._waits = False
        try:
            yield
        finally:
            self._waits = before

    def folder(self, recipe: Recipe) -> Path:
        """Where the artefact of ``recipe`` lies, if it is there."""
        return self.root / type(recipe).__name__.lower() / digest(recipe)

    def being_built(self, recipe: Recipe) -> bool:
        """Whether any process is building ``recipe`` now."""
        try:
            with self._lock(digest(recipe), wait=False):
                return False
        except Timeout:
            return True

    @contextmanager
    def journal(self, recipe: Recipe) -> Iterator[Journal]:
        """Texts that unfinished builds of ``recipe`` generated; use it inside ``build``."""
        with self._disk():
            journal = Journal(self.root / _PARTIAL / digest(recipe) / "journal.jsonl")
            try:
                yield journal
            finally:
                journal.close()

    @contextmanager
    def checkpoints(self, recipe: Recipe) -> Iterator[Checkpoints]:
        """Checkpoints of unfinished builds of ``recipe``; use it inside ``build``."""
        with self._disk():
            yield Checkpoints(self.root / _PARTIAL / digest(recipe))

    def remove_partial(self, recipe: Recipe) -> None:
        """Remove the journal and the checkpoints of ``recipe`` after its build."""
        shutil.rmtree(self.root / _PARTIAL / digest(recipe), ignore_errors=True)

    def artefacts(self) -> list[StoredArtefact]:
        """All published artefacts, by kind and then by digest.

        This neither verifies them nor counts as a use.
        """
        folders = (
            path
            for path in sorted(self.root.glob("*/*"))
            if path.parent.name not in NO_KINDS and path.is_dir() and _DIGEST.fullmatch(path.name)
        )
        return [artefact for path in folders if (artefact := StoredArtefact.at(path))]

    def last(self, kind: str, count: int) -> list[Manifest]:
        """Manifests of the ``count`` artefacts of a kind that were built last, the last first.

        This neither verifies them nor counts as a use.
        """
        built: list[tuple[float, Path]] = []
        for path in (self.root / kind).glob(f"*/{NAME}"):
            with suppress(OSError):  # removed in between
                built.append((path.stat().st_mtime, path))
        manifests = []
        for _, path in sorted(built, reverse=True)[:count]:
            with suppress(*UNREADABLE):
                manifests.append(Manifest.read(path.parent))
        return manifests

    def scraps(self) -> list[Path]:
        """Folders of damaged artefacts that were set aside, and of unfinished builds.

        Builds that are still running are among them; ``remove`` leaves those alone.
        """
        return sorted(
            path
            for name in ("aside", "tmp", _PARTIAL)
            for path in self.root.glob(f"{name}/*")
            if path.is_dir()
        )

    def verify(self, artefact: StoredArtefact) -> str:
        """Check the files of an artefact, and set a damaged one aside.

        Returns what is wrong with it; empty where nothing is, or where it is gone.

        Raises:
            Timeout: another process holds its lock.
        """
        folder = artefact.path
        with self._lock(folder.name, wait=False):
            self._verified.discard(folder.name)
            try:
                self._check(folder)
            except UNREADABLE as damage:
                return in_words(damage) if self._set_aside(folder, damage) else ""
        return ""

    def unfinished(self) -> list[Path]:
        """Folders with the journal or the checkpoints of an unfinished build: some ``scraps()``."""
        return [path for path in self.scraps() if path.parent.name == _PARTIAL]

    def verify_checkpoints(self, folder: Path) -> bool | None:
        """Whether a folder of ``unfinished()`` has a whole checkpoint; None where it has none.

        Damaged ones are removed, with one line in the log.

        Raises:
            Timeout: another process holds the lock.
        """
        with self._lock(folder.name, wait=False):
            checkpoints = Checkpoints(folder)
            return checkpoints.newest() is not None if checkpoints.any() else None

    def remove(self, folder: Path) -> bool:
        """Remove a folder of ``artefacts()`` or ``scraps()``.

        Returns False where another process holds its lock.
        """
        name = folder.name[:_DIGEST_LENGTH]  # scraps have a suffix
        try:
            with self._lock(name, wait=False), self._disk():
                self._removed(folder)
        except Timeout:
            return False
        return True

    def _removed(self, folder: Path) -> None:
        """The caller holds the lock."""
        gone = folder
        if folder.parent.parent == self.root and folder.parent.name not in NO_KINDS:
            # First one rename, so that no process sees half an artefact. After a crash
            # the rest is a scrap.
            gone = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=self.root / "tmp"))
            with suppress(FileNotFoundError):
                folder.rename(gone / folder.name)
            self._verified.discard(folder.name)
        shutil.rmtree(gone, ignore_errors=True)

    def _build(self, recipe: Recipe, build: Build, parents: tuple[str, ...]) -> Artefact:
        self._sweep(digest(recipe))
        with self._disk(), self._private_folder(digest(recipe)) as folder:
            started = time.perf_counter()
            facts = build(folder)
            manifest = self._record(recipe, folder, parents, time.perf_counter() - started, facts)
            target = self.folder(recipe)
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
            sync(target.parent)
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
        # All must be on disk before the rename: a rename can survive a power cut that the files
        # do not.
        for path in [*folder.rglob("*"), folder]:
            sync(path)
        return manifest

    def _check(self, folder: Path) -> Manifest:
        """Raises one of ``UNREADABLE``; hashes files only once in this process."""
        manifest = Manifest.read(folder)
        if manifest.digest in self._verified:
            return manifest
        if (manifest.digest, manifest.files) != (folder.name, file_digests(folder)):
            raise ValueError("its files are not those that were built")
        self._verified.add(manifest.digest)
        return manifest

    def _read(self, folder: Path) -> Artefact | None:
        """None where there is no folder. Raises one of ``UNREADABLE``."""
        if not folder.exists():
            return None
        artefact = Artefact(folder, self._check(folder))
        touch(folder)
        return artefact

    def _read_or_set_aside(self, folder: Path) -> Artefact | None:
        """None where there is no undamaged one. The caller holds its lock."""
        try:
            return self._read(folder)
        except UNREADABLE as damage:
            self._set_aside(folder, damage)
            return None

    def _set_aside(self, folder: Path, damage: Exception) -> bool:
        """The caller holds the lock. False where a user removed the folder without the lock."""
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
        """Remove the files of killed builds. The caller holds the digest's lock."""
        for leftover in (self.root / "tmp").glob(f"{name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _private_folder(self, name: str) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root / "tmp"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str, wait: bool = True) -> Iterator[None]:
        """Hold the lock ``name``. Where another process has it, call ``meanwhile``, then wait.

        Raises:
            Timeout: another process has it, and either ``wait`` is False or this is within
                ``without_waiting``.
        """
        with self._disk():
            lock = FileLock(self.root / "locks" / name)
            timeout = 0  # seconds; -1 waits for ever
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=timeout)
                except Timeout:
                    if not (wait and self._waits):
                        raise
                    timeout = 0 if self.meanwhile() else -1
        try:
            yield
        finally:
            lock.release()

    def _disk(self) -> AbstractContextManager[None]:
        return disk_of(self.root)
