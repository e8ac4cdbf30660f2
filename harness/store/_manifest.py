"""Manifests of artefacts, journals of unfinished work, and what pruning keeps."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from harness.recipes import digest, sha256

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
            OSError, ValueError, TypeError, KeyError: the file is missing or is not a manifest.
        """
        values = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return cls(**{**values, "parents": tuple(values["parents"])})


def file_digests(folder: Path) -> dict[str, str]:
    """Hex SHA-256 of each file below ``folder`` except the manifest, by POSIX relative path."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p != folder / NAME)
    return {p.relative_to(folder).as_posix(): file_sha256(p) for p in files}


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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def touch(folder: Path) -> None:
    """Record the use as the folder's modification time, which pruning reads.

    On a read-only store this fails without harm.
    """
    with suppress(OSError):
        os.utime(folder)


def in_words(damage: Exception) -> str:
    """What is wrong with a damaged artefact."""
    # Subclasses of ValueError come from the JSON parser, ValueError itself from the check.
    if type(damage) is ValueError:
        return str(damage)
    return f"its manifest cannot be read ({type(damage).__name__})"


def content_of(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 over the name and the SHA-256 of each of several files. Raises OSError."""
    lines = (f"{name}\0{file_sha256(path)}\n" for name, path in files)
    return sha256("".join(lines))


UNREADABLE = (OSError, ValueError, TypeError, KeyError)
"""What reading a damaged artefact raises."""

DAY = 86400.0
GRACE = 60.0
"""Seconds after its last use in which an artefact is not removed: a session may still read it."""


class StoredArtefact(NamedTuple):
    """An artefact as it lies in the store, damaged or not."""

    path: Path
    manifest: Manifest | None
    """None where it cannot be read."""
    built: float
    """When it was built, in seconds since the epoch."""
    used: float
    """When a session last used it, in seconds since the epoch."""

    @classmethod
    def at(cls, folder: Path) -> StoredArtefact | None:
        """The artefact in ``folder``; None where another process has removed it."""
        manifest: Manifest | None
        try:
            manifest = Manifest.read(folder)
        except UNREADABLE:
            manifest = None
        written = folder / NAME
        try:
            used = folder.stat().st_mtime
            built = written.stat().st_mtime if written.exists() else used
        except FileNotFoundError:
            return None
        return cls(folder, manifest, built, used)


class Choice(NamedTuple):
    """The result of ``choose``."""

    removed: list[StoredArtefact]
    """To remove in this order: children before parents, so that a crash leaves no orphan."""
    needed: list[StoredArtefact]
    """Selected, but artefacts that stay were built from them."""
    in_use: list[StoredArtefact]
    """Selected, but used within ``GRACE``."""


def needs(manifest: Manifest) -> frozenset[str]:
    """Digests of all that an artefact was built from: its parents, and the recipes in its own."""
    return frozenset({*manifest.parents, *_within(manifest.recipe)})


def choose(
    artefacts: Sequence[StoredArtefact],
    kinds: Sequence[str],
    unused_days: float,
    with_children: bool,
    now: float,
) -> Choice:
    """Choose what to remove: artefacts of ``kinds`` (none: all) without use for ``unused_days``.

    Those that other artefacts were built from stay, unless these are removed too;
    ``with_children`` removes them too. ``now`` is in seconds since the epoch.
    """
    by_name = {artefact.path.name: artefact for artefact in artefacts}
    sources = {
        name: needs(artefact.manifest) if artefact.manifest else frozenset()
        for name, artefact in by_name.items()
    }
    selected = {
        name
        for name, artefact in by_name.items()
        if (not kinds or artefact.path.parent.name in kinds)
        and now - artefact.used >= unused_days * DAY
    }
    going = set(selected)
    if with_children:
        going |= {name for name in by_name if sources[name] & selected}
    in_use = {name for name in going if now - by_name[name].used < GRACE}
    going -= in_use
    # Each pass spares the sources of what stays, which may have sources of their own.
    while spared := going & _sources_of_others(sources, going):
        going -= spared
    order = sorted(going, key=lambda name: -len(sources[name]))
    return Choice(
        removed=[by_name[name] for name in order],
        needed=[by_name[name] for name in by_name if name in selected - going - in_use],
        in_use=[by_name[name] for name in by_name if name in in_use],
    )


def _sources_of_others(sources: dict[str, frozenset[str]], going: set[str]) -> set[str]:
    """Digests that artefacts outside ``going`` were built from."""
    return {source for name in sources if name not in going for source in sources[name]}


def _within(recipe: dict[str, Any]) -> Iterator[str]:
    """Digests of the recipes inside a recipe.

    The manifest has the recipe as JSON values. Their digest is that of the original values, as
    both have the same canonical JSON.
    """
    values: list[Any] = list(recipe.values())
    while values:
        value = values.pop()
        if isinstance(value, dict):
            yield digest(value)
            values += value.values()
        elif isinstance(value, list):
            values += value
