"""Answers of several stacks as one artefact, in the order of the probes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.builds._estimates import recorded
from harness.builds._lines import ANSWERS, read_lines, write_lines
from harness.builds._models import Fetch
from harness.recipes import Routed
from harness.store import Artefact, Store

_SUMS = ("seconds", "stack_seconds")
_PEAKS = ("load_seconds", "model_bytes")


def routed(recipe: Routed, store: Store, fetch: Fetch, device: str | None) -> Artefact:
    """A line for each probe, from the part that answered it.

    The lines have the prompts of ``recipe.probes``; what stood before them is in the parts.
    """
    if (cached := store.peek(recipe)) is not None:  # the parts need not be there
        return cached
    parts = [fetch(part) for part in recipe.parts]

    def make(folder: Path) -> dict[str, Any]:
        answered = {line["id"]: line for part in parts for line in read_lines(part.path / ANSWERS)}
        probes = recipe.probes.probes
        lines = (answered[probe.id] | {"prompt": probe.prompt} for probe in probes)
        write_lines(folder / ANSWERS, lines)
        return _facts([part.manifest.facts for part in parts])

    parents = tuple(part.manifest.digest for part in parts)
    return store.get(recipe, recorded(recipe, store, make), parents)


def _facts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of all parts, one after the other; ``diverged`` where one has an adapter that did."""
    if any(facts["status"] == "diverged" for facts in parts):
        return {"status": "diverged", "parts": len(parts)}
    sums = {name: sum(facts[name] for facts in parts) for name in _SUMS}
    tokens = sum(facts["tokens_per_second"] * facts["seconds"] for facts in parts)
    peaks = [name for name in parts[0] if name in _PEAKS or name.startswith("peak_")]
    return {
        "status": "ok",
        "parts": len(parts),
        **sums,
        "tokens_per_second": tokens / sums["seconds"],
        **{name: _peak(facts[name] for facts in parts) for name in peaks},
    }


def _peak(values: Iterable[float | None]) -> float | None:
    """The largest; None where nothing was measured, as graphics memory without a GPU."""
    return max((value for value in values if value is not None), default=None)
