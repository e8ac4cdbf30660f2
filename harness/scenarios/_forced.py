"""What a model would say if it were told the right answer token by token, beside what it says.

Teacher forcing flatters: of edits that were published as 96.8% right, 38.5% are right where answers are generated
("The Mirage of Model Editing", Yang et al. 2025, arXiv 2502.11177). So every suite shows both, and the gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from harness.builders import LIKELIHOODS, read_lines
from harness.cells import Cell
from harness.recipes import ProbeSet, Recipe, local
from harness.scenarios._scenario import Fetch, Line
from harness.stats import Interval, cluster_bootstrap


def forced(cell: Cell, headline: str) -> Cell:
    """``cell`` with the answers to its headline's probes scored, beside those that it has scored already."""
    own = _of_kind(cell.probes, _kind(cell.probes, headline))
    return cell if own is None else replace(cell, scored=united(cell.scored, own))


def forced_measures(
    cell: Cell, lines: Sequence[Line], headline: str, fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``teacher_forced``: share of the right answer's tokens that are the most probable one after the true text.

    A mean over the headline's probes, by the best of their accepted answers, resampled by fact. ``gap`` is its lead
    over the recall of the same probes. Neither where the engine cannot score text, or nothing was scored.
    """
    recipe: Recipe | None = cell.likelihoods if adapted else cell.base_likelihoods
    if recipe is None:
        return {}
    scored = {line["id"]: line["likelihoods"] for line in read_lines(fetch(recipe).path / LIKELIHOODS)}
    kind = _kind(cell.probes, headline)
    asked = [line for line in lines if line["kind"] == kind and line["id"] in scored]
    if not asked:
        return {}
    shares = [_best(scored[line["id"]]) for line in asked]
    facts = [line["fact"] for line in asked]
    leads = [share - line["right"] for share, line in zip(shares, asked, strict=True)]
    return {"teacher_forced": cluster_bootstrap(shares, facts), "gap": cluster_bootstrap(leads, facts, within=(-1, 1))}


def _kind(probes: ProbeSet, headline: str) -> str:
    """The headline, or the first kind on trained facts where the headline is a measure; empty without any."""
    kinds = dict.fromkeys(probe.kind for probe in probes.probes if not local(probe.kind))
    return headline if headline in kinds else next(iter(kinds), "")


@lru_cache(maxsize=64)
def _of_kind(probes: ProbeSet, kind: str) -> ProbeSet | None:
    found = tuple(probe for probe in probes.probes if probe.kind == kind)
    return ProbeSet.of(f"{probes.name}_{kind}", found) if found else None


@lru_cache(maxsize=64)
def united(own: ProbeSet | None, more: ProbeSet) -> ProbeSet:
    """Both, each probe once."""
    if own is None:
        return more
    known = {probe.id for probe in own.probes}
    return ProbeSet.of(own.name, (*own.probes, *(probe for probe in more.probes if probe.id not in known)))


def _best(likelihoods: Sequence[Mapping[str, Any]]) -> float:
    """Of the accepted answers; 0 where the adapter had diverged and nothing was scored."""
    return max((found["matched"] / found["tokens"] for found in likelihoods), default=0.0)
