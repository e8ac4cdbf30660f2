"""What is written beside an artefact: its recipe, where it came from, what it cost, and its files'
digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any


class Journal(MutableMapping[str, list[str]]):
    """Texts by prompt, each on disk as soon as it is there; what a crash cut off is not
    read again."""

    def __init__(self, path: Path) -> None:
        """One process at a time: the store's lock on the artefact is held meanwhile."""
        self.path = path
        self._held: dict[str, list[str]] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            try:
                prompt, texts = json.loads(line)
            except ValueError:
                break
            self._held[prompt] = texts
            whole += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab")
        self._stream.truncate(whole)

    def __setitem__(self, prompt: str, texts: list[str]) -> None:
        self._held[prompt] = texts
        self._stream.write(json.dumps([prompt, texts]).encode() + b"\n")
        self._stream.flush()

    def __getitem__(self, prompt: str) -> list[str]:
        return self._held[prompt]

    def __delitem__(self, prompt: str) -> None:
        raise TypeError("a journal is only added to")

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def close(self) -> None:
        """It stays on disk, for a rerun."""
        self._stream.close()


NAME = "manifest.json"
LIBRARIES = ("torch", "transformers", "peft", "lora-memory-harness")


@dataclass(frozen=True)
class Manifest:
    """The record of one build. ``files`` maps a relative path to its hex SHA-256."""

    digest: str
    kind: str
    recipe: dict[str, Any]
    parents: tuple[str, ...]
    files: dict[str, str]
    versions: dict[str, str]
    machine: str
    seconds: float
    bytes: int
    facts: dict[str, Any]
    """What the builder returned: JSON values only."""

    def write(self, folder: Path) -> None:
        """Write as JSON into ``folder``."""
        (folder / NAME).write_text(
            json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8"
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read from ``folder``. Raises OSError, ValueError or TypeError when it is missing or not a
        manifest."""
        values = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return cls(**{**values, "parents": tuple(values["parents"])})


def file_digests(folder: Path) -> dict[str, str]:
    """Hex SHA-256 of each file below ``folder`` but the manifest, by POSIX relative path."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p != folder / NAME)
    return {p.relative_to(folder).as_posix(): _sha256(p) for p in files}


def total_bytes(folder: Path, files: Mapping[str, str]) -> int:
    """Bytes of the named files below ``folder``."""
    return sum((folder / name).stat().st_size for name in files)


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that decide results, without importing them."""
    return {name: version for name in LIBRARIES if (version := _version(name))}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
