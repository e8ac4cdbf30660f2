"""Many small adapters that become one, by several methods: what does it know of all?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from harness.builds import GradedLine
from harness.data.invented_documents import (
    FAR,
    REPHRASED,
    InventedDocument,
    Names,
    invented_document,
    probes,
)
from harness.data.knowledge import TableKnowledge, some_locality_questions
from harness.experiments import (
    AdapterSpec,
    Cell,
    Curves,
    Design,
    Evidence,
    Finding,
    MergedSpec,
    Scenario,
    Setup,
)
from harness.memory.passages import Passage
from harness.memory.policies import Lora, Shelved
from harness.memory.trials import LEARNT, SHORT, joined, one_each, shelf, text_of
from harness.recipes import Dataset, ProbeSet
from harness.stats import Interval, paired_bootstrap

FACTS = 3
"""Of a passage."""
SMALL = replace(LEARNT, epochs=24)
"""Of one passage: so few facts make few steps an epoch."""
COUNTS = (5, 20)
MANY = 50
STACK, ALL_ON, CONCAT, SVD, TIES, DISTIL = "stack", "all_on", "concat", "svd", "ties", "distil"
LOCALITY = 60


class Method(NamedTuple):
    """How adapters become one."""

    merge: str = ""
    """One of ``harness.recipes.MERGES``; empty where nothing is merged."""
    rank: int = 0
    density: float = 0.5


METHODS = {
    STACK: Method(),
    ALL_ON: Method(),
    CONCAT: Method("sum"),
    "svd16": Method(SVD, 16),
    "svd64": Method(SVD, 64),
    "ties64": Method(TIES, 64, 0.2),
    DISTIL: Method(rank=32),
}
"""``stack``: only the adapter that knows the passage is on. ``all_on``: every one of them.
``distil``: a fresh adapter on the text of all."""


def default(setup: Setup) -> Iterator[Design]:
    """Five and twenty adapters, by every method."""
    for count in COUNTS:
        yield from (_design(setup, count, method) for method in METHODS)


def full(setup: Setup) -> Iterator[Design]:
    """Also fifty."""
    for count in (*COUNTS, MANY):
        yield from (_design(setup, count, method) for method in METHODS)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """``above_stack``: recall less that of the stack, on the same questions.

    ``bytes_of_stack``: the size of what is put on, as a share of all adapters of the stack.
    """
    cell = evidence.cell
    if not evidence.adapted or not cell.subject.trains or cell.policy is None:
        return {}
    stack = evidence.of(stack_of(cell, evidence))
    before, after = _asked(stack), _asked(evidence)
    test = paired_bootstrap(
        [float(line.right) for line in before],
        [float(line.right) for line in after],
        [line.fact for line in after],
    )
    share = _bytes(evidence) / _bytes(stack)
    return {"above_stack": test.difference, "bytes_of_stack": Interval(share, share, share)}


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """Recall over the number of adapters, by method."""
    series: dict[str, list[tuple[float, float]]] = {}
    for each in cells:
        lines = _asked(each)
        share = sum(line.right for line in lines) / len(lines)
        factors = each.cell.factors
        series.setdefault(str(factors["method"]), []).append((float(factors["adapters"]), share))
    ordered = {method: sorted(points) for method, points in series.items()}
    text = "\n".join(
        f"- {method}: {', '.join(f'{share:.2f} of {count:g}' for count, share in points)}"
        for method, points in ordered.items()
    )
    curves = Curves("recall", "adapters", "recall", ordered, doubling=True)
    return [Finding("Recall over the number of adapters", text, curves=(curves,))]


def stack_of(cell: Cell, evidence: Evidence) -> Cell:
    """The cell of the stack that is rolled up in ``cell``."""
    setup = Setup(
        cell.subject.base,
        cell.training.seed,
        TableKnowledge(),
        cell.chat,
        fetch=evidence.fetch,
    )
    stack = _design(setup, int(cell.factors["adapters"]), STACK).cell(setup)
    subject = replace(stack.subject, engine=cell.subject.engine)
    # the same questions: what is asked of other matters depends on what the model knows
    return stack.changed(subject=subject, asks=cell.asks, grading=cell.grading)


@lru_cache(maxsize=8)
def document(seed: int) -> InventedDocument:
    """As many paragraphs as there are adapters at most."""
    return invented_document("rollup", MANY, FACTS, 0, Names(f"rollup {seed}"))


def passages(count: int, seed: int) -> tuple[Passage, ...]:
    """The first ``count`` paragraphs."""
    paragraphs = document(seed).paragraphs[:count]
    return tuple(Passage(each.text, "rollup", place) for place, each in enumerate(paragraphs))


@lru_cache(maxsize=16)
def questions(count: int, seed: int) -> ProbeSet:
    """Probes on the facts of the first ``count`` passages, and on other matters."""
    facts = [fact for each in document(seed).paragraphs[:count] for fact in each.facts]
    asked = (*probes(facts), *some_locality_questions(LOCALITY))
    return ProbeSet.of(f"passages{count}", asked)


def _design(setup: Setup, count: int, name: str) -> Design:
    method, seed = METHODS[name], setup.seed
    asked = questions(count, seed)
    every = passages(count, seed)
    texts = [text_of(setup, (each,), "passage", asked.probes) for each in every]
    whole = joined(f"passages{count}", texts)
    # the setting of its parts, at a rank for all of them
    whole_setting = replace(SMALL, rank=method.rank or SMALL.rank, alpha=2 * (method.rank or 8))
    specs: tuple[AdapterSpec | MergedSpec, ...] = one_each(texts, SMALL, seed)
    if method.merge:
        parts = one_each(texts, SMALL, seed)
        specs = (MergedSpec(parts, method.merge, method.density, method.rank),)
    elif name == DISTIL:
        specs = (AdapterSpec(whole, replace(whole_setting, seed=seed)),)
    known = {STACK: [[place] for place in range(count)]}
    everything = [list(range(count))] * len(specs)
    policy = Shelved(Lora(), shelf(setup.base, every, known.get(name, everything)))
    return Design(
        _named(whole, count),
        whole_setting if name == DISTIL else SMALL,
        asked,
        factors={"adapters": count, "method": name},
        label=name,
        decoding=SHORT,
        adapters=specs,
        policy=policy,
    )


def _named(text: Dataset, count: int) -> Dataset:
    return replace(text, name=f"passages{count}")


def _asked(evidence: Evidence) -> list[GradedLine]:
    return [line for line in evidence.lines if line.kind in (REPHRASED, FAR)]


def _bytes(evidence: Evidence) -> int:
    """Of the adapters that are put on."""
    loras = evidence.cell.subject.loras
    return sum(int(evidence.fetch(lora).manifest.facts["adapter_bytes"]) for lora in loras)


SCENARIO = Scenario(
    "rollup",
    "Many adapters rolled up",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
)
