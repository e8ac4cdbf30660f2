"""Which adapters answer a question, and what stands before it: the policy of a cell."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, Protocol

from harness.errors import RecipeError
from harness.recipes import Answers, Decoding, Probe, ProbeSet, Routed, Stack


class Route(NamedTuple):
    """How one probe is asked."""

    probe: Probe
    """Under its own id; its prompt may have text before the question."""
    adapters: tuple[int, ...] = ()
    """Which adapters of the cell are on: their places, from 0 (the bottom) on."""


class Routing(Hashable, Protocol):
    """A policy that is applied to the questions of a cell."""

    @property
    def name(self) -> str:
        """A part of the cell's id: letters, digits and _."""
        ...

    def routes(self, probes: ProbeSet) -> Sequence[Route]:
        """One for each probe. The same probes get the same routes."""
        ...


@lru_cache(maxsize=512)
def routed(
    routing: Routing, stack: Stack, probes: ProbeSet, decoding: Decoding, dtype: str
) -> Routed:
    """Answers to ``probes`` as ``routing`` has them asked of ``stack``, whose adapters it chooses.

    Probes that get the same adapters are answered together. Raises RecipeError where it names an
    adapter that is not there.
    """
    groups: dict[tuple[int, ...], list[Probe]] = {}
    for probe, chosen in routing.routes(probes):
        groups.setdefault(tuple(sorted(set(chosen))), []).append(probe)
    count = len(stack.adapters)
    if wrong := [place for chosen in groups for place in chosen if not 0 <= place < count]:
        raise RecipeError(
            f"policy {routing.name!r} puts on adapter {wrong[0]}, of {count}: give places from 0 on"
        )
    parts = (
        Answers(
            replace(stack, adapters=tuple(stack.adapters[place] for place in chosen)),
            ProbeSet.of(probes.name, tuple(group)),
            decoding,
            dtype=dtype,
        )
        for chosen, group in groups.items()
    )
    return Routed(tuple(parts), probes)
