"""Objects below one URL, by fsspec: an object store such as S3, or a shared file system."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, MissingExtraError, StoreError, first_line
from harness.store._disk import FULL

_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
_S3 = ("s3", "s3a")


def is_url(place: object) -> bool:
    """Whether ``place`` names objects, not a folder."""
    return _URL.match(str(place)) is not None


class Objects:
    """Whole objects by key below ``url``; nothing that this class writes is ever half there.

    All methods raise StoreError, in one line, where the store cannot be reached or refuses.
    """

    def __init__(self, url: str) -> None:
        """Raises MissingExtraError where the library for such URLs is not installed."""
        self.url = url.rstrip("/")
        scheme = url.partition("://")[0]
        if find_spec("fsspec") is None or (scheme in _S3 and find_spec("s3fs") is None):
            raise MissingExtraError(f"s3fs, which a --store {scheme}:// needs,", "s3")
        import fsspec

        try:
            with self._reached():
                self._fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            raise StoreError(f"store {url}: {first_line(error)}") from error
        self._root = str(root).rstrip("/")
        self._on_disk = scheme in ("file", "local")

    def read(self, key: str) -> bytes | None:
        """The object; None where there is none."""
        try:
            with self._reached():
                return bytes(self._fs.cat_file(self._at(key)))
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        with self._reached():
            return bool(self._fs.exists(self._at(key)))

    def write(self, key: str, data: bytes) -> None:
        """Put the object, in place of one that is there."""
        with self._reached(writing=True):
            if self._on_disk:
                self._beside(key, data, lambda new, target: new.replace(target))
            else:
                self._fs.pipe_file(self._at(key), data)

    def create(self, key: str, data: bytes) -> bool:
        """Put the object where there is none; False where there is one.

        S3 and file systems decide this themselves. Elsewhere two processes at the same moment may
        both be told True, and the later object stays.
        """
        try:
            with self._reached(writing=True):
                if self._on_disk:
                    self._beside(key, data, lambda new, target: os.link(new, target))
                else:
                    self._fs.pipe_file(self._at(key), data, mode="create")
        except FileExistsError:
            return False
        return True

    def upload(self, path: Path, key: str) -> None:
        """Put the content of the file ``path``."""
        with self._reached(writing=True):
            if self._on_disk:
                target = Path(self._at(key))
                target.parent.mkdir(parents=True, exist_ok=True)
                new = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
                self._fs.put_file(str(path), str(new))
                new.replace(target)
            else:
                self._fs.put_file(str(path), self._at(key))

    def download(self, key: str, path: Path) -> None:
        """Write the object to the file ``path``. Raises FileNotFoundError, or OSError of a disk."""
        with self._reached():
            self._fs.get_file(self._at(key), str(path))

    def names(self, prefix: str = "") -> list[str]:
        """Names of objects and folders directly below ``prefix``, sorted."""
        try:
            with self._reached():
                found = self._fs.ls(self._at(prefix), detail=False)
        except FileNotFoundError:
            return []
        return sorted({str(path).rstrip("/").rpartition("/")[2] for path in found} - {""})

    def modified(self, key: str) -> float:
        """When the object was written, in seconds since the epoch; 0 where there is none."""
        try:
            with self._reached():
                return float(self._fs.modified(self._at(key)).timestamp())
        except FileNotFoundError:
            return 0.0

    def remove(self, key: str) -> None:
        """Remove an object, or all below a prefix; it may be gone already."""
        with suppress(FileNotFoundError), self._reached():
            self._fs.rm(self._at(key), recursive=True)

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def _beside(self, key: str, data: bytes, publish: Any) -> None:
        """On a file system: write whole under another name, then ``publish`` it."""
        target = Path(self._at(key))
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            publish(new, target)
        finally:
            new.unlink(missing_ok=True)

    @contextmanager
    def _reached(self, writing: bool = False) -> Iterator[None]:
        """Turn the many errors of networks and their libraries into StoreError.

        Where something is read, FileNotFoundError is an answer; a bucket to write to must be there.
        """
        try:
            yield
        except (FileExistsError, HarnessError, ImportError):
            raise
        except Exception as error:  # each library below fsspec has its own classes
            if isinstance(error, FileNotFoundError) and not writing:
                raise
            if isinstance(error, OSError) and error.errno in FULL:  # of the disk below a download
                raise
            if type(error).__name__ == "PreconditionFailed" or "PreconditionFailed" in str(error):
                raise FileExistsError(str(error)) from error
            raise StoreError(
                f"store {self.url} cannot be used ({type(error).__name__}: {first_line(error)}):"
                " check its address, the network and your credentials"
            ) from error
