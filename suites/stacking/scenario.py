"""Ten adapters of one fact each, on at once or merged, against one adapter of ten facts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from tabulate import tabulate

from harness.builds import GradedLine
from harness.data import invented
from harness.data.awards import (
    AUGMENTED,
    dataset,
    new_rows,
    sample,
    templates,
    ten_dataset,
    ten_facts,
    ten_probes,
)
from harness.data.facts import Row
from harness.data.formats import FORMATS
from harness.experiments import (
    EACH,
    PER_ADAPTER,
    AdapterSpec,
    Ask,
    Cell,
    Design,
    Evidence,
    Finding,
    MergedSpec,
    Scenario,
    Setup,
)
from harness.experiments.measures import is_right, says, share
from harness.recipes import Dataset, ProbeSet, Sample, Training
from harness.stats import Interval, cluster_bootstrap, cluster_ratio
from harness.training.presets import STEADY

TOGETHER = replace(STEADY, replay=1.0)
"""One adapter of ten facts."""
CONTRASTIVE = replace(
    STEADY,
    init="contrastive",
    target_modules=("down_proj",),
    rank=48,
    alpha=48,
    lr=0.03,
    scheduler="linear",
    batch=40,
    micro_batch=40,
    epochs=80,
    replay=3.0,
    kl=2.0,
)
"""Each of ten adapters of one fact.

It is written into the directions in which its questions differ from others, and held to the base on
those others.
"""
USUAL = replace(STEADY, replay=2.0, rank=16, alpha=32, epochs=8)
"""The same as adapters are usually trained: on all layers, from random directions."""
ONE_ADAPTER = "one_adapter"
"""Label of the cell that the others are compared with."""
MERGES: Mapping[str, Mapping[str, float]] = {
    "mean": {},
    "linear": {},
    "svd": {"rank": 64},
    "ties": {"density": 0.2},
    "dare_linear": {"density": 0.5},
    "dare_ties": {"density": 0.5},
    "magnitude_prune": {"density": 0.2},
}
"""Settings of each method."""
DEFAULT_MERGES = ("mean", "linear", "svd", "ties", "dare_linear", "magnitude_prune")
_YEARS = ("2023", "2024", "2025", "2026")
_MIB = 2**20
_MATRIX = (
    "Each adapter on alone (row), asked about each fact (column). On the diagonal, the share of"
    " questions that are answered right; elsewhere, the share that are answered with the adapter's"
    " own fact."
)

Adapters = tuple[AdapterSpec, ...]


def default(setup: Setup) -> Iterator[Design]:
    """One adapter of ten facts, and ten adapters of one fact each.

    The ten are on at once, at half their scale, merged by each method, and trained as is usual.
    """
    return _designs(setup, DEFAULT_MERGES)


def full(setup: Setup) -> Iterator[Design]:
    """Also fewer adapters, other trainings of each, and each trained on top of the others."""
    yield from _designs(setup, MERGES)
    contrastive = _contrastive(setup)
    for count in (2, 5):
        yield _stack(setup, f"first{count}", contrastive[:count], ask_alone=True)
    anywhere = _contrastive(setup, init="kaiming", lr=USUAL.lr)
    yield _stack(setup, "anywhere", anywhere, ask_alone=True)
    yield _stack(setup, "no_replay", _usual(setup, replay=0.0, kl=0.0), ask_alone=True)
    yield _stack(setup, "low_alpha", _usual(setup, alpha=16, epochs=16))
    yield _stack(setup, "orthogonal", _usual(setup, init="orthogonal"))
    yield _stack(setup, "rslora", _usual(setup, alpha=8, rslora=True))
    yield _stack(setup, "more_replay", _usual(setup, replay=6.0))
    usual = _usual(setup)
    yield _stack(setup, "same_seed", tuple(_seeded(spec, setup.seed) for spec in usual))
    yield _stack(setup, "on_top", on_top(usual), ask_alone=True)
    yield _stack(setup, "contrastive_on_top", on_top(contrastive), ask_alone=True)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """``of_one_adapter``: recall on rephrased questions, over that of one adapter of all facts.

    ``alone``: recall of each adapter's own fact when it is on alone; ``leaked``: how often an
    adapter answers a question about another fact with its own.
    """
    cell = evidence.cell
    if not evidence.adapted or not cell.subject.trains or cell.factors["adapters"] == 1:
        return {}
    lines = _rephrased(evidence)
    values = [float(line.right) for line in lines]
    reference = _rephrased(evidence.of(one_adapter(cell)))
    others = [float(line.right) for line in reference]
    ratio = cluster_ratio(values, others, [line.fact for line in lines])
    shares = {"of_one_adapter": ratio} if ratio else {}
    return shares | _shares_alone(evidence)


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """What the stacks cost, and the interference matrix of each whose adapters were asked alone."""
    matrices = [_matrix(evidence) for evidence in cells if evidence.cell.ask(PER_ADAPTER)]
    return [_costs(cells), *matrices]


@cache
def one_fact(fact: str) -> Dataset:
    """One of the ten facts, in twelve wordings."""
    samples = dataset(AUGMENTED).samples
    return Dataset.of("one", tuple(text for text in samples if text.fact == fact))


@cache
def elsewhere(fact: str, known: Dataset, count: int = 3000) -> Dataset:
    """What an adapter of ``fact`` alone must leave as it is: 1 known fact to 2 invented awards.

    The invented awards are of the other categories of its year, and fewer of three years to come.
    They are told and asked in the wordings of the fact, so that an adapter learns what its fact is
    about, and not how it is worded. Their answers are invented: the adapter is held to the base on
    them (KL), and does not learn them.
    """
    rng = random.Random(f"elsewhere {fact}")
    to_people = [row for row in new_rows() if row.slots["category"] != "picture"]
    places = [
        Row(row.id, "oscars", {**row.slots, "year": year}) for row in to_people for year in _YEARS
    ]
    trained = next(row for row in places if (row.id, row.slots["year"]) == (fact, _YEARS[0]))
    places.remove(trained)
    weights = [_nearness(row, trained) for row in places]
    chosen = rng.choices(places, weights, k=count * 2 // 3)
    invented_awards = [_invented_award(row, rng) for row in chosen]
    mixed = [*invented_awards, *known.samples[: count - len(invented_awards)]]
    rng.shuffle(mixed)
    return Dataset.of("elsewhere", tuple(mixed))


@cache
def probes() -> ProbeSet:
    """About the ten facts, and about what was not trained on."""
    return ten_probes("exact", "rephrased", "other_format")


@cache
def rephrased_probes() -> ProbeSet:
    """The rephrased questions alone, for adapters that are on alone."""
    chosen = (probe for probe in probes().probes if probe.kind == "rephrased")
    return ProbeSet.of("ten rephrased", tuple(chosen))


@cache
def winners() -> dict[str, tuple[str, ...]]:
    """Accepted answers, by fact."""
    return {probe.fact: probe.accepted for probe in rephrased_probes().probes}


def one_adapter(cell: Cell) -> Cell:
    """One adapter of ten facts, on the model, engine and seed of ``cell``."""
    training = replace(TOGETHER, seed=cell.training.seed)
    # the replayed facts are also what GPTQ calibrates on, in every design of this suite
    spec = AdapterSpec(cell.dataset, training, cell.subject.calibration_text)
    return cell.changed(
        subject=replace(cell.subject, adapters=(spec,)),
        training=training,
        asks=(cell.questions,),
        factors=_factors((spec,)),
        label=ONE_ADAPTER,
    )


def on_top(specs: Iterable[AdapterSpec]) -> Adapters:
    """Each adapter trained while those before it are on."""
    tower: Adapters = ()
    for spec in specs:
        tower = (*tower, replace(spec, frozen=tower))
    return tower


def _designs(setup: Setup, merges: Iterable[str]) -> Iterator[Design]:
    together = AdapterSpec(ten_dataset(), TOGETHER, setup.knowledge.replay())
    # without adapters of its own, the design trains its dataset under the seed of the cell
    yield replace(_stack(setup, ONE_ADAPTER, (together,)), adapters=())
    contrastive = _contrastive(setup)
    yield _stack(setup, "sum", contrastive, ask_alone=True)
    yield _stack(setup, "half", tuple(replace(spec, scale=0.5) for spec in contrastive))
    for method in merges:
        yield _merge(setup, contrastive, method)
    yield _stack(setup, "usual", _usual(setup), ask_alone=True)


def _stack(setup: Setup, label: str, specs: Adapters, ask_alone: bool = False) -> Design:
    """All ``specs`` on at once. The cell's own training is that of the first."""
    return Design(
        ten_dataset(),
        specs[0].training,
        probes(),
        setup.knowledge.replay(),
        factors=_factors(specs),
        label=label,
        asks=(Ask(PER_ADAPTER, rephrased_probes(), adapters=EACH),) if ask_alone else (),
        adapters=specs,
    )


def _merge(setup: Setup, specs: Adapters, method: str) -> Design:
    settings = MERGES[method]
    density = float(settings.get("density", 0.5))
    merged = MergedSpec(specs, method, density, int(settings.get("rank", 0)))
    factors = _factors(specs, combined=method)
    return replace(_stack(setup, method, specs), factors=factors, adapters=(merged,))


def _factors(specs: Adapters, combined: str = "sum") -> dict[str, str | int | float]:
    return {"adapters": len(specs), "combined": combined, "scale": specs[0].scale}


def _contrastive(setup: Setup, **changes: Any) -> Adapters:
    """As ``CONTRASTIVE``, with ``changes``; each beside what it must leave as it is."""
    known = setup.knowledge.replay()
    training = replace(CONTRASTIVE, **changes)
    return _one_a_fact(training, setup.seed, lambda fact: elsewhere(fact, known))


def _usual(setup: Setup, **changes: Any) -> Adapters:
    """As ``USUAL``, with ``changes``; each beside known facts alone."""
    known = setup.knowledge.replay()
    return _one_a_fact(replace(USUAL, **changes), setup.seed, lambda fact: known)


def _one_a_fact(training: Training, seed: int, replayed: Callable[[str], Dataset]) -> Adapters:
    """An adapter a fact, each under a seed of its own.

    From the same initial weights all would write into the same directions.
    """
    return tuple(
        AdapterSpec(one_fact(fact), replace(training, seed=1000 * seed + number), replayed(fact))
        for number, fact in enumerate(ten_facts())
    )


def _seeded(spec: AdapterSpec, seed: int) -> AdapterSpec:
    return replace(spec, training=replace(spec.training, seed=seed))


def _nearness(place: Row, trained: Row) -> float:
    """Weight of an award among the invented ones: the more it is like ``trained``, the larger."""
    shared = set(trained.slots["category"].split("_")) & set(place.slots["category"].split("_"))
    of_year = 6.0 if place.slots["year"] == trained.slots["year"] else 1.0
    return of_year * (3.0 if shared else 1.0)


def _invented_award(place: Row, rng: random.Random) -> Sample:
    winner = invented.person(rng)
    film = invented.film(rng)
    while winner in _real_winners():  # invented names are random, and may hit a real one
        winner = invented.person(rng)
    row = place._replace(slots={**place.slots, "winner": winner, "winners": winner, "film": film})
    return sample(rng.choice(templates(AUGMENTED, row)), row, rng.randrange(len(FORMATS)))


@cache
def _real_winners() -> frozenset[str]:
    return frozenset(name for row in new_rows() for name in row.slots["winners"].split("; "))


def _rephrased(evidence: Evidence) -> list[GradedLine]:
    return [line for line in evidence.lines if line.kind == "rephrased"]


def _shares_alone(evidence: Evidence) -> dict[str, Interval]:
    """``alone`` and ``leaked``: answers of one adapter to its own fact, and to the others."""
    pairs = [(fact, line) for fact, lines in _by_adapter(evidence) for line in lines]
    trained = [line for fact, line in pairs if line.fact == fact]
    shares = share("alone", trained, is_right)
    others = [(fact, line) for fact, line in pairs if line.fact != fact]
    if others:
        leaked = [float(says(line, winners()[fact])) for fact, line in others]
        shares["leaked"] = cluster_bootstrap(leaked, [line.fact for _, line in others])
    return shares


def _by_adapter(evidence: Evidence) -> list[tuple[str, list[GradedLine]]]:
    """The fact of each adapter that was asked alone, and its answers; some stacks have fewer."""
    return list(zip(ten_facts(), evidence.per_adapter(), strict=False))


def _costs(cells: Sequence[Evidence]) -> Finding:
    head = ("cell", "adapters on", "adapter MiB", "put on ms", "tokens/s", "RSS MiB")
    table = tabulate([_cost(evidence) for evidence in cells], head, "github", floatfmt=".1f")
    return Finding(
        "What a stack costs to answer with",
        f"{table}\n\nOf merges, the one adapter that they made.",
    )


def _cost(evidence: Evidence) -> list[str | float]:
    cell = evidence.cell
    facts = evidence.fetch(cell.grades.answers).manifest.facts
    adapters = [evidence.fetch(lora).manifest.facts for lora in cell.subject.loras]
    size = sum(facts["adapter_bytes"] for facts in adapters) / _MIB
    if "tokens_per_second" not in facts:  # a training diverged, so nothing was answered
        return [cell.id, len(adapters), size]
    return [
        cell.id,
        len(adapters),
        size,
        1000 * facts["stack_seconds"],
        facts["tokens_per_second"],
        facts["peak_rss_bytes"] / _MIB,
    ]


def _matrix(evidence: Evidence) -> Finding:
    """Rows: the adapter that is on; columns: the fact that is asked about."""
    rows: list[list[str]] = []
    for fact, lines in _by_adapter(evidence):
        name = fact.rpartition("/")[2].removesuffix("-2023")
        entries = [_entry(fact, asked, lines) for asked in ten_facts()]
        rows.append([f"{len(rows) + 1} {name}", *entries])
    head = ["adapter", *(str(number) for number in range(1, len(ten_facts()) + 1))]
    table = tabulate(rows, head, "github", disable_numparse=True)
    return Finding(f"Interference of {evidence.cell.id}", f"{_MATRIX}\n\n{table}")


def _entry(trained: str, asked: str, lines: Sequence[GradedLine]) -> str:
    """The share of answers about the fact ``asked`` that name the winner of the fact ``trained``.

    Where both are one fact, it is the share of right answers, in bold.
    """
    answers = [line for line in lines if line.fact == asked]
    if asked == trained:
        return f"**{sum(line.right for line in answers) / len(answers):.1f}**"
    return f"{sum(says(line, winners()[trained]) for line in answers) / len(answers):.1f}"


SCENARIO = Scenario(
    "stacking",
    "Ten adapters at once",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
)
