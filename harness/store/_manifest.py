"""What is written beside an artefact: its recipe, where it came from, what it cost, and its files' digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    """What the builder returned: JSON values only."""

    def write(self, folder: Path) -> None:
        """Write as JSON into ``folder``."""
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read from ``folder``. Raises OSError, ValueError or TypeError when it is missing or not a manifest."""
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
