"""A store that machines share through an object store, with a local store as its cache.

``KIND/DIGEST.json`` is a manifest, ``files/DIGEST/SHA256`` a file of an artefact. The manifest is
written last, and only where there is none, so what can be seen is whole, and the first builder
counts. Files are named by their content: two builders of one recipe never mix.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from filelock import Timeout

from harness.errors import StoreError
from harness.recipes import Recipe, digest
from harness.store._lease import SECONDS, Lease
from harness.store._manifest import (
    NAME,
    Manifest,
    StoredArtefact,
    file_sha256,
    in_words,
)
from harness.store._objects import Objects, is_url
from harness.store._store import NO_KINDS, UNSENT, Artefact, Build, Store

log = logging.getLogger(__name__)

_FILES, _LOCKS, _ASIDE = "files", "locks", "aside"
_DAMAGED = (ValueError, TypeError, KeyError)
"""What reading a damaged manifest or file raises; an OSError is a fault of this machine."""
_LISTED = 10.0
"""Seconds for which a listing answers what is there."""
_POLL = 2.0
"""Seconds between two looks at a lease that another machine holds."""
_TRIES = 2
"""Downloads of a file before it counts as damaged where it lies."""


class SharedStore(Store):
    """Artefacts at ``url``, by any scheme of fsspec; ``cache`` is a folder of this machine.

    Raises StoreError, in one line, where the store cannot be reached or the cache is full.
    """

    def __init__(self, url: str, cache: Path, lease: float = SECONDS) -> None:
        super().__init__(cache)
        self.objects = Objects(url)
        self.manifests_only = False
        """Whether files are fetched when the path of an artefact is first asked for: a driver that
        only reports needs few of them."""
        self._lease_seconds = lease
        self._listings: dict[str, tuple[float, set[str]]] = {}
        with self._disk():
            (cache / UNSENT).mkdir(exist_ok=True)

    @property
    def place(self) -> str:
        """The URL."""
        return self.objects.url

    def get(self, recipe: Recipe, build: Build, parents: tuple[str, ...] = ()) -> Artefact:
        if (artefact := self.peek(recipe)) is not None:
            return artefact
        with self._lock(digest(recipe)):
            if (artefact := self.peek(recipe)) is not None:
                return artefact
            with self._leased(recipe) as found:
                if found is not None:
                    return found
                self._mark(recipe).touch()
                artefact = self._build(recipe, build, parents)
                return self._sent(recipe, artefact)

    def peek(self, recipe: Recipe) -> Artefact | None:
        artefact = super().peek(recipe)
        if artefact is None:
            return self._arrived(recipe)
        if self._mark(recipe).exists():
            with suppress(Timeout), self._lock(digest(recipe), wait=False):
                return self._sent(recipe, artefact)
        return artefact

    def has(self, recipe: Recipe, now: bool = False) -> bool:
        if self.folder(recipe).exists() and super().peek(recipe) is not None:
            return True
        if now:
            return self.objects.exists(self._key(recipe))
        return digest(recipe) in self._listed(_kind(recipe))

    def being_built(self, recipe: Recipe) -> bool:
        return super().being_built(recipe) or self._lease(digest(recipe)).taken()

    def artefacts(self) -> list[StoredArtefact]:
        """All that is published; it counts as used when it was built or this machine used it."""
        found = []
        for kind in self._kinds():
            for name in self._names(kind):
                data = self.objects.read(_manifest_key(kind, name))
                if data is None:  # removed in between
                    continue
                built = self.objects.modified(_manifest_key(kind, name))
                folder = self.root / kind / name
                used = folder.stat().st_mtime if folder.exists() else built
                manifest = None
                with suppress(*_DAMAGED):
                    manifest = _parsed(data)
                found.append(StoredArtefact(folder, manifest, built, max(built, used)))
        return found

    def last(self, kind: str, count: int) -> list[Manifest]:
        """Those in the cache; where it has none, any others, which is no order in time."""
        if cached := super().last(kind, count):
            return cached
        manifests = []
        for name in sorted(self._listed(kind))[:count]:
            with suppress(*_DAMAGED):
                manifests.append(_parsed(self.objects.read(_manifest_key(kind, name)) or b""))
        return manifests

    def scraps(self) -> list[Path]:
        """Those of the cache, and files of builds that were never published."""
        published = {name for kind in self._kinds() for name in self._names(kind)}
        unpublished = sorted(set(self.objects.names(_FILES)) - published)
        return [*super().scraps(), *(self.root / _FILES / name for name in unpublished)]

    def verify(self, artefact: StoredArtefact) -> str:
        kind, name = artefact.path.parent.name, artefact.path.name
        if self._lease(name).taken():
            raise Timeout(name)
        damage = ""
        if (self.root / kind / name).exists():
            damage = super().verify(artefact)
        data = self.objects.read(_manifest_key(kind, name))
        if data is None:
            return damage
        try:
            with self._disk(), self._private_folder(name) as folder:
                self._fetch(name, _parsed(data), folder)
        except _DAMAGED as error:
            self._set_aside_there(kind, name, data, error)
            return in_words(error)
        return damage

    def remove(self, folder: Path) -> bool:
        kind, name = folder.parent.name, folder.name
        if folder.parent.parent != self.root or kind in NO_KINDS:
            return super().remove(folder)
        lease = self._lease(name)
        if not lease.take():
            return False
        try:
            if kind != _FILES:
                self.objects.remove(_manifest_key(kind, name))
                self._listings.pop(kind, None)
            self.objects.remove(f"{_FILES}/{name}")
        finally:
            lease.release()
        return super().remove(folder) if folder.exists() else True

    def _arrived(self, recipe: Recipe) -> Artefact | None:
        """The artefact out of the shared store; None where it is not there or is damaged."""
        name, kind = digest(recipe), _kind(recipe)
        data = self.objects.read(self._key(recipe))
        if data is None:
            return None
        try:
            manifest = _parsed(data)
            if manifest.digest != name:
                raise ValueError("its manifest is that of another artefact")
            if self.manifests_only:
                return _Elsewhere(self, manifest, kind)
            return self.bring(manifest, kind)
        except _DAMAGED as damage:
            self._set_aside_there(kind, name, data, damage)
            return None

    def bring(self, manifest: Manifest, kind: str) -> Artefact:
        """Fetch the files of an artefact into the cache. Raises one of ``_DAMAGED``."""
        target = self.root / kind / manifest.digest
        with self._disk(), self._private_folder(manifest.digest) as folder:
            self._fetch(manifest.digest, manifest, folder)
            target.parent.mkdir(exist_ok=True)
            try:
                folder.rename(target)
            except OSError:
                if not (target / NAME).exists():
                    raise
                # another process of this machine has brought it meanwhile
        self._verified.add(manifest.digest)
        return Artefact(target, manifest)

    def _fetch(self, name: str, manifest: Manifest, folder: Path) -> None:
        """Download all files, each checked against the manifest. Raises one of ``_DAMAGED``."""
        for path, sha256 in manifest.files.items():
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"its manifest names a file outside its folder: {path}")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(_TRIES):
                try:
                    self.objects.download(f"{_FILES}/{name}/{sha256}", target)
                except FileNotFoundError:
                    raise ValueError(f"its file {path} is missing") from None
                if file_sha256(target) == sha256:
                    break
            else:
                raise ValueError(f"its file {path} is not the one that was built")
        manifest.write(folder)

    def _sent(self, recipe: Recipe, artefact: Artefact) -> Artefact:
        """Publish what was built here; the other one, where another machine was first."""
        name = digest(recipe)
        for path, sha256 in artefact.manifest.files.items():
            self.objects.upload(artefact.path / path, f"{_FILES}/{name}/{sha256}")
        data = json.dumps(asdict(artefact.manifest), indent=1, sort_keys=True).encode()
        first = self.objects.create(self._key(recipe), data)
        self._listings.pop(_kind(recipe), None)
        if not first and self.objects.read(self._key(recipe)) != data:
            self._removed(artefact.path)
            artefact = self._arrived(recipe) or artefact
        self._mark(recipe).unlink(missing_ok=True)
        return artefact

    def _set_aside_there(self, kind: str, name: str, seen: bytes, damage: Exception) -> None:
        """Take a damaged artefact out of sight for all machines, so that one builds it again."""
        key = _manifest_key(kind, name)
        if self.objects.read(key) != seen:  # another machine has repaired it
            return
        self.objects.write(f"{_ASIDE}/{kind}-{name}-{uuid.uuid4().hex[:8]}.json", seen)
        self.objects.remove(key)
        self.objects.remove(f"{_FILES}/{name}")
        self._listings.pop(kind, None)
        log.warning(
            "artefact %s in %s is damaged (%s): its manifest is now in %s/, to be rebuilt",
            name,
            self.objects.url,
            in_words(damage),
            _ASIDE,
        )

    @contextmanager
    def _leased(self, recipe: Recipe) -> Iterator[Artefact | None]:
        """Hold the lease of ``recipe``; yields the artefact where another machine has built it.

        Raises:
            Timeout: within ``without_waiting``, where another machine is building it.
        """
        lease = self._lease(digest(recipe))
        while not lease.take():
            if not self._waits:
                raise Timeout(digest(recipe))
            if not self.meanwhile():
                time.sleep(min(_POLL, self._lease_seconds / 4))
            if (artefact := self._arrived(recipe)) is not None:
                yield artefact
                return
        try:
            yield self._arrived(recipe)
        finally:
            lease.release()

    def _lease(self, name: str) -> Lease:
        return Lease(self.objects, name, self._lease_seconds)

    def _mark(self, recipe: Recipe) -> Path:
        return self.root / UNSENT / digest(recipe)

    def _key(self, recipe: Recipe) -> str:
        return _manifest_key(_kind(recipe), digest(recipe))

    def _listed(self, kind: str) -> set[str]:
        """Digests of a kind, by a listing of the last seconds."""
        listed = self._listings.get(kind)
        if listed is None or time.monotonic() - listed[0] > _LISTED:
            listed = self._listings[kind] = (time.monotonic(), set(self._names(kind)))
        return listed[1]

    def _names(self, kind: str) -> list[str]:
        names = (name.partition(".json") for name in self.objects.names(kind))
        return [name for name, suffix, rest in names if suffix and not rest and name]

    def _kinds(self) -> list[str]:
        return [kind for kind in self.objects.names() if kind not in (_FILES, _LOCKS, _ASIDE)]


class _Elsewhere(Artefact):
    """An artefact whose files come when they are asked for."""

    _store: SharedStore
    _kind_name: str

    def __new__(cls, store: SharedStore, manifest: Manifest, kind: str) -> _Elsewhere:
        self = super().__new__(cls, store.root / kind / manifest.digest, manifest)
        self._store, self._kind_name = store, kind
        return self

    @property
    def path(self) -> Path:
        """The folder in the cache. Raises StoreError where the files are damaged."""
        folder = self[0]
        if not folder.exists():
            try:
                self._store.bring(self.manifest, self._kind_name)
            except _DAMAGED as damage:
                raise StoreError(
                    f"artefact {self.manifest.digest} in {self._store.place} is damaged"
                    f" ({in_words(damage)}): `store verify` sets it aside, then run again"
                ) from damage
        return folder


def open_store(place: str | Path, cache: str | Path = "") -> Store:
    """The store at a folder, or at a URL with ``cache`` as the folder for its files here."""
    if is_url(place):
        return SharedStore(str(place), Path(cache or CACHE))
    return Store(Path(place))


def existing_store(place: str | Path, cache: str | Path = "") -> Store:
    """Like ``open_store``, for upkeep. Raises StoreError where there is no store at a folder."""
    return open_store(place, cache) if is_url(place) else Store.existing(Path(place))


CACHE = ".store-cache"
"""The folder of a cache, where none is given."""


def _kind(recipe: Recipe) -> str:
    return type(recipe).__name__.lower()


def _manifest_key(kind: str, name: str) -> str:
    return f"{kind}/{name}.json"


def _parsed(data: bytes) -> Manifest:
    """Raises one of ``_DAMAGED``."""
    values = json.loads(data)
    return Manifest(**{**values, "parents": tuple(values["parents"])})
