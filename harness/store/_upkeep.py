"""Which artefacts to remove: chosen by kind and by last use, without pulling the ground from under
others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from harness.recipes import digest
from harness.store._manifest import Manifest
from harness.store._store import StoredArtefact

DAY = 86400.0
GRACE = 60.0
"""Seconds for which what a session has asked for is left alone: it may be about to read it."""


class Choice(NamedTuple):
    """What pruning would do."""

    removed: list[StoredArtefact]
    """Children before what they were made from, so that a stop in the middle leaves no orphan."""
    needed: list[StoredArtefact]
    """Asked for, but others that stay were made from them."""
    in_use: list[StoredArtefact]
    """Asked for, but used a moment ago."""


def needs(manifest: Manifest) -> frozenset[str]:
    """Digests of all that an artefact was made from: what its builder named, and every recipe
    within its own."""
    return frozenset({*manifest.parents, *_within(manifest.recipe)})


def choose(
    kept: Sequence[StoredArtefact],
    kinds: Sequence[str],
    unused_days: float,
    with_children: bool,
    now: float,
) -> Choice:
    """Of ``kinds`` (none: all) what no session has asked for in ``unused_days``.

    What others that stay were made from stays too; ``with_children`` those others go as well.
    """
    made_from = {k.path.name: needs(k.manifest) if k.manifest else frozenset() for k in kept}
    asked = {
        k.path.name
        for k in kept
        if (not kinds or k.path.parent.name in kinds) and now - k.used >= unused_days * DAY
    }
    going = set(asked)
    if with_children:
        going |= {name for name, sources in made_from.items() if sources & asked}
    in_use = {k.path.name for k in kept if k.path.name in going and now - k.used < GRACE}
    going -= in_use
    while (
        held := {source for name in made_from if name not in going for source in made_from[name]}
        & going
    ):
        going -= held
    order = sorted(going, key=lambda name: -len(made_from[name]))
    found = {k.path.name: k for k in kept}
    needed = [k for k in kept if k.path.name in asked - going - in_use]
    return Choice(
        [found[name] for name in order], needed, [found[name] for name in found if name in in_use]
    )


def _within(recipe: dict[str, Any]) -> Iterator[str]:
    """Digests of the recipes that a recipe holds. Canonical JSON is that of the values it was made
    from."""
    values: list[Any] = list(recipe.values())
    while values:
        value = values.pop()
        if isinstance(value, dict):
            yield digest(value)
            values += value.values()
        elif isinstance(value, list):
            values += value
