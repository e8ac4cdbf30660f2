"""Upkeep of a store: what lies in it, and which artefacts to prune by kind and last use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.recipes import digest
from harness.store._manifest import NAME, Manifest

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
