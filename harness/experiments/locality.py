"""Questions on what no suite trains on, for suites whose own facts have no neighbours."""

from __future__ import annotations

from functools import cache

from harness.recipes import Probe, is_locality
from harness.scenarios import oscars


@cache
def locality_probes(count: int) -> tuple[Probe, ...]:
    """About ``count`` of the suite `oscars`, from all its kinds of locality alike."""
    found = [probe for probe in oscars.probes("oscars_aug").probes if is_locality(probe.kind)]
    return tuple(found[:: max(1, len(found) // count)])
