"""What rank costs: memory, disk, and the time to load and to answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby

from tabulate import tabulate

from harness.data.awards import dataset
from harness.data.awards import probes as award_probes
from harness.experiments import TIME, Ask, Curves, Design, Evidence, Finding, Scenario, Setup
from harness.recipes import ProbeSet, Training
from harness.stats import Interval, cluster_bootstrap, ratio_bootstrap

RANKS = {"default": (1, 16, 64, 256), "full": (1, 2, 4, 8, 16, 32, 64, 128, 256)}
"""By grid."""
SETTING = Training(epochs=1, batch=8, micro_batch=8, dropout=0.0)
"""Little, as what an adapter holds does not change what it costs."""
TIMING = "timing"
"""The role of what is timed."""
_DATASET = "oscarstxt"
_QUESTIONS = 16
_MIB = 2**20


def default(setup: Setup) -> Iterator[Design]:
    """A few ranks; alpha is twice the rank.

    A model whose layers are narrower than a rank cannot have it: its training says so.
    """
    return _designs(setup, RANKS["default"])


def full(setup: Setup) -> Iterator[Design]:
    """Every power of two."""
    return _designs(setup, RANKS["full"])


def measures(evidence: Evidence) -> dict[str, Interval]:
    """Means over rounds; none of a bare model or of a training that diverged.

    ``slowdown``: seconds to answer over those of the bare base, timed in turn; ``speed``: tokens a
    second of the adapted model; ``put_on_ms``: to put its adapter on.
    """
    rounds = evidence.rounds() if evidence.adapted else []
    if not rounds:
        return {}
    names = [each.round for each in rounds]
    seconds = [each.adapted for each in rounds]
    bare_seconds = [each.bare for each in rounds]
    tokens = [float(each.tokens) for each in rounds]
    put_on = [1000 * each.put_on for each in rounds]
    return {
        "slowdown": ratio_bootstrap(seconds, bare_seconds, names),
        "speed": ratio_bootstrap(tokens, seconds, names),
        "put_on_ms": cluster_bootstrap(put_on, names, within=(0, math.inf)),
    }


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """What each rank costs: a table and curves a model and engine."""
    results = []
    trained = [evidence for evidence in cells if evidence.cell.subject.trains]
    for name, group in groupby(trained, lambda evidence: evidence.cell.subject.name):
        costs = [cost for evidence in group if (cost := _costs(evidence))]
        if costs:
            rows = [list(cost.values()) for cost in costs]
            table = tabulate(rows, list(costs[0]), "github", floatfmt=".2f")
            results.append(Finding(f"Rank on {name}", table, curves=tuple(_curves(costs))))
    return results


@cache
def probes() -> ProbeSet:
    """Rephrased questions, one a fact: the last of each."""
    rephrased = (probe for probe in award_probes(_DATASET).probes if probe.kind == "rephrased")
    by_fact = {probe.fact: probe for probe in rephrased}
    return ProbeSet.of("sixteen", tuple(by_fact.values())[:_QUESTIONS])


def _designs(setup: Setup, ranks: Iterable[int]) -> Iterator[Design]:
    for rank in ranks:
        yield Design(
            dataset(_DATASET),
            replace(SETTING, rank=rank, alpha=2 * rank),
            probes(),
            setup.knowledge.replay(),
            asks=(Ask(TIMING, probes(), TIME),),
        )


def _costs(evidence: Evidence) -> dict[str, float]:
    """The costs of a cell, by name; empty where the training diverged."""
    figures = measures(evidence)
    timings = evidence.timings()
    if not figures or timings is None:
        return {}
    answering = timings.manifest.facts
    trainings = evidence.trainings()
    steps = sum(facts["steps"] for facts in trainings)
    return {
        "rank": evidence.cell.training.rank,
        "MiB on disk": sum(facts["adapter_bytes"] for facts in trainings) / _MIB,
        "ms to put on": figures["put_on_ms"].estimate,
        "tokens/s": figures["speed"].estimate,
        "slowdown": figures["slowdown"].estimate,
        "MiB added when answering": answering["added_rss_bytes"] / _MIB,
        "VRAM MiB when answering": answering["peak_vram_bytes"] / _MIB,
        "training steps/s": steps / sum(facts["seconds"] for facts in trainings),
        "RSS MiB when training": max(facts["peak_rss_bytes"] for facts in trainings) / _MIB,
        "VRAM MiB when training": max(facts["peak_vram_bytes"] for facts in trainings) / _MIB,
    }


def _curves(costs: Sequence[dict[str, float]]) -> Iterator[Curves]:
    """A plot a cost that is not 0 everywhere; points of one rank are of several seeds."""
    for name in costs[0]:
        if name == "rank" or not any(cost[name] for cost in costs):
            continue
        series = {name: [(cost["rank"], cost[name]) for cost in costs]}
        file = name.lower().replace("/", "_per_").replace(" ", "_")
        yield Curves(file, "rank", name, series, doubling=True)


SCENARIO = Scenario(
    "size",
    "What rank costs",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
    headline="slowdown",
)
