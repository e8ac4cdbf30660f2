"""Files beside an artefact: the manifest of its build, and the journal of an unfinished one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

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
    """The builder's result: JSON values only."""

    def write(self, folder: Path) -> None:
        """Write as JSON into ``folder``."""
        (folder / NAME).write_text(
            json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8"
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read from ``folder``.

        Raises:
            OSError, ValueError, TypeError, KeyError: the file is missing or is no manifest.
        """
        values = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return cls(**{**values, "parents": tuple(values["parents"])})


def file_digests(folder: Path) -> dict[str, str]:
    """Hex SHA-256 of each file below ``folder`` except the manifest, by POSIX relative path."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p != folder / NAME)
    return {p.relative_to(folder).as_posix(): _sha256(p) for p in files}


def total_bytes(folder: Path, files: Mapping[str, str]) -> int:
    """Bytes of the named files below ``folder``."""
    return sum((folder / name).stat().st_size for name in files)


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that affect results, without an import."""
    return {name: version for name in LIBRARIES if (version := _version(name))}


class Journal(MutableMapping[str, list[str]]):
    """Generated texts by prompt, for a build that a crash may interrupt.

    Each entry is written to disk at once. A last line that a crash cut off is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Open or make ``path``. Only the holder of the artefact's lock may do so."""
        self.path = path
        self._texts: dict[str, list[str]] = {}
        complete = 0  # bytes of all complete lines
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            try:
                prompt, texts = json.loads(line)
            except ValueError:
                break
            self._texts[prompt] = texts
            complete += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab")
        self._stream.truncate(complete)

    def __setitem__(self, prompt: str, texts: list[str]) -> None:
        self._texts[prompt] = texts
        self._stream.write(json.dumps([prompt, texts]).encode() + b"\n")
        self._stream.flush()

    def __getitem__(self, prompt: str) -> list[str]:
        return self._texts[prompt]

    def __delitem__(self, prompt: str) -> None:
        raise TypeError("a journal is append-only")

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def close(self) -> None:
        """Close the file, which stays on disk for the next attempt."""
        self._stream.close()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
