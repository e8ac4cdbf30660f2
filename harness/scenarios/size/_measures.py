"""Costs of a cell, with intervals over rounds, and the curves over rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from tabulate import tabulate

from harness.builds import TIMINGS, read_lines
from harness.experiments.cells import Cell
from harness.experiments.scenario import Curves, Fetch, Finding, Line
from harness.stats import Interval, cluster_bootstrap, ratio_bootstrap

_MIB = 2**20


def measures(
    cell: Cell, lines: Sequence[Line], bare: Sequence[Line], fetch: Fetch, adapted: bool
) -> dict[str, Interval]:
    """``slowdown``: seconds to answer over those of the bare base, timed in turn; ``speed``, tokens
    a second, and ``put_on_ms`` of the adapted model. Means over rounds; none of a bare model or a
    training that diverged.
    """
    rounds = _rounds(cell, fetch) if adapted else []
    if not rounds:
        return {}
    names = [line["round"] for line in rounds]
    seconds = [line["adapted"] for line in rounds]
    return {
        "slowdown": ratio_bootstrap(seconds, [line["bare"] for line in rounds], names),
        "speed": ratio_bootstrap([float(line["tokens"]) for line in rounds], seconds, names),
        "put_on_ms": cluster_bootstrap(
            [1000 * line["put_on"] for line in rounds], names, within=(0, math.inf)
        ),
    }


def findings(cells: Sequence[Cell], fetch: Fetch) -> list[Finding]:
    """What each rank costs, a table and curves a model and engine."""
    found = []
    for name, own in groupby(cells, lambda cell: cell.model_name):
        costs = [cost for cell in own if (cost := _costs(cell, fetch))]
        if costs:
            head = list(costs[0])
            text = tabulate([list(cost.values()) for cost in costs], head, "github", floatfmt=".2f")
            found.append(Finding(f"Rank on {name}", text, "", tuple(_curves(costs))))
    return found


def _costs(cell: Cell, fetch: Fetch) -> dict[str, float]:
    """By what it is of; nothing where the training diverged."""
    figures = measures(cell, (), (), fetch, adapted=True)
    if not figures or cell.timings is None:
        return {}
    facts = [fetch(adapter).manifest.facts for adapter in cell.trained]
    used = fetch(cell.timings).manifest.facts
    return {
        "rank": cell.training.rank,
        "MiB on disk": sum(fact["adapter_bytes"] for fact in facts) / _MIB,
        "ms to put on": figures["put_on_ms"].estimate,
        "tokens/s": figures["speed"].estimate,
        "slowdown": figures["slowdown"].estimate,
        "MiB added when answering": used["added_rss_bytes"] / _MIB,
        "VRAM MiB when answering": used["peak_vram_bytes"] / _MIB,
        "training steps/s": (
            sum(fact["steps"] for fact in facts) / sum(fact["seconds"] for fact in facts)
        ),
        "RSS MiB when training": max(fact["peak_rss_bytes"] for fact in facts) / _MIB,
        "VRAM MiB when training": max(fact["peak_vram_bytes"] for fact in facts) / _MIB,
    }


def _curves(costs: Sequence[dict[str, float]]) -> list[Curves]:
    """A plot a cost that is not nought everywhere; points of one rank are of several seeds."""
    names = [name for name in costs[0] if name != "rank" and any(cost[name] for cost in costs)]
    return [
        Curves(
            _file(name),
            "rank",
            name,
            {name: [(cost["rank"], cost[name]) for cost in costs]},
            doubling=True,
        )
        for name in names
    ]


def _file(name: str) -> str:
    return name.lower().replace("/", "_per_").replace(" ", "_")


def _rounds(cell: Cell, fetch: Fetch) -> list[Line]:
    return [*read_lines(fetch(cell.timings).path / TIMINGS)] if cell.timings else []
