"""Questions on documents of several lengths, which each policy answers in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from tabulate import tabulate

from harness.data.invented_documents import (
    REPHRASED,
    InventedDocument,
    InventedFact,
    Names,
    invented_document,
    oracle,
    probes,
)
from harness.data.knowledge import some_locality_questions
from harness.experiments import (
    AdapterSpec,
    Design,
    Evidence,
    Finding,
    MergedSpec,
    Scenario,
    Setup,
)
from harness.memory.learnable import PLAIN, Learnable
from harness.memory.passages import SIZE, Passage, split
from harness.memory.policies import (
    AlwaysOn,
    FullContext,
    Lora,
    LoraAndRetrieval,
    Policy,
    Retrieval,
    Shelved,
    Window,
)
from harness.memory.trials import (
    LEARNT,
    SHORT,
    joined,
    one_each,
    room,
    seconds_a_question,
    share_of,
    shelf,
    text_of,
    tokens,
)
from harness.recipes import Dataset, ProbeSet, Sample, Training
from harness.stats import Interval, paired_bootstrap

FACTS = 5
"""Facts of a paragraph."""
ASKED = 200
"""Facts that are asked about at most; all are learnt."""
WHOLE = replace(LEARNT, rank=32, alpha=64, lr=1e-3)
"""One adapter of a whole document."""
KEPT = replace(LEARNT, replay=1.0, kl=1.0)
"""An adapter that is on for every question must leave the others as they were."""
LOCALITY = 100
PASSAGE, DOCUMENT, ROLLED_UP = "passage", "document", "rolled_up"
"""What one adapter knows; ``rolled_up``: those of all passages merged into one."""
NO_ADAPTER = "none"


class Length(NamedTuple):
    """How long a document is."""

    paragraphs: int
    filler: int
    """Sentences without a fact in each paragraph."""
    size: int = SIZE
    """Characters of a passage at most: so that each paragraph is one."""


LENGTHS = {
    "1k": Length(4, 10),
    "2k": Length(20, 4, size=520),
    "10k": Length(40, 15),
    "100k": Length(330, 15),
}
"""By the number of tokens of the shipped model; that of 2k has 100 facts in 20 passages."""


def default(setup: Setup) -> Iterator[Design]:
    """Two documents, each by every policy."""
    yield from _of_length(setup, "1k", units=(PASSAGE,))
    yield from _of_length(setup, "2k", units=(PASSAGE, DOCUMENT, ROLLED_UP))


def full(setup: Setup) -> Iterator[Design]:
    """Also long documents, other training texts, and policies without a threshold."""
    yield from default(setup)
    for length in ("10k", "100k"):
        yield from _of_length(setup, length, units=(PASSAGE,))
    yield from _other_texts(setup, "2k")
    yield from _without_threshold(setup, "2k")


def measures(evidence: Evidence) -> dict[str, Interval]:
    """``of_retrieval``: rephrased recall of an adapter's cell, over that of retrieval."""
    cell = evidence.cell
    if not evidence.adapted or not cell.subject.trains or cell.policy is None:
        return {}
    plain = cell.subject.calibration_text
    reading = cell.changed(
        subject=replace(cell.subject, adapters=()),
        dataset=plain or cell.dataset,
        policy=Shelved(Retrieval(), cell.policy.shelf)
        if isinstance(cell.policy, Shelved)
        else None,
        factors={**cell.factors, "policy": Retrieval().name, "unit": NO_ADAPTER},
        label="",
    )
    ratio = share_of(evidence, evidence.of(reading), REPHRASED)
    return {"of_retrieval": ratio} if ratio else {}


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """What each policy costs, and whether adapters add to retrieval, question by question."""
    return [_costs(cells), *_together(cells)]


@lru_cache(maxsize=16)
def document(length: str, seed: int) -> InventedDocument:
    """The document of a length and a seed."""
    paragraphs, filler, _ = LENGTHS[length]
    return invented_document(length, paragraphs, FACTS, filler, Names(f"{length} {seed}"))


@lru_cache(maxsize=16)
def passages(length: str, seed: int) -> tuple[Passage, ...]:
    """The document as the harness splits it."""
    return split(document(length, seed).text, LENGTHS[length].size, f"document_{length}")


@lru_cache(maxsize=16)
def questions(length: str, seed: int) -> ProbeSet:
    """Probes on the facts of the document, and on what it is not about."""
    facts = document(length, seed).facts
    asked = facts[:: max(1, len(facts) // ASKED)]
    return ProbeSet.of(f"document_{length}", (*probes(asked), *some_locality_questions(LOCALITY)))


def facts_in(passage: Passage, facts: Sequence[InventedFact]) -> list[InventedFact]:
    """Those that ``passage`` states."""
    return [fact for fact in facts if fact.statement in passage.text]


class _Texts(NamedTuple):
    """How the passages of a document become training text."""

    name: str
    learnable: Learnable | None
    """None: the training questions of its facts, as if a perfect writer had written them."""


WRITTEN = _Texts("", Learnable())
ORACLE = _Texts("oracle", None)
_OTHERS = (ORACLE, _Texts("plain", Learnable(PLAIN)))


def _texts(setup: Setup, length: str, how: _Texts) -> list[Dataset]:
    """The training text of each passage."""
    name, asked = f"document_{length}", questions(length, setup.seed).probes
    if how.learnable is not None:
        return [
            text_of(setup, (passage,), name, asked, how.learnable)
            for passage in passages(length, setup.seed)
        ]
    facts = document(length, setup.seed).facts
    return [
        oracle(name, stated)
        for passage in passages(length, setup.seed)
        if (stated := facts_in(passage, facts))
    ]


def _of_length(setup: Setup, length: str, units: Sequence[str]) -> Iterator[Design]:
    fits = tokens(setup.base, document(length, setup.seed).text) <= room(setup.base)
    without_adapters: list[Policy] = [Window(), Retrieval()]
    if fits:
        without_adapters.append(FullContext())
    for policy in without_adapters:
        yield _design(setup, length, policy, (), ())
    texts = _texts(setup, length, WRITTEN)
    for unit in units:
        yield _design(setup, length, Lora(), *_adapters(setup, texts, unit), unit, texts=texts)
    adapters = _adapters(setup, texts, PASSAGE)
    yield _design(setup, length, LoraAndRetrieval(), *adapters, PASSAGE, texts=texts)


def _other_texts(setup: Setup, length: str) -> Iterator[Design]:
    for how in _OTHERS:
        texts = _texts(setup, length, how)
        adapters = _adapters(setup, texts, PASSAGE)
        yield _design(setup, length, Lora(), *adapters, f"{PASSAGE}_{how.name}", texts=texts)


def _without_threshold(setup: Setup, length: str) -> Iterator[Design]:
    """What locality costs where a question about something else gets passages and adapters, too."""
    texts = _texts(setup, length, WRITTEN)
    yield _design(setup, length, Retrieval(least=0, name="retrieval_always"), (), ())
    adapters = _adapters(setup, texts, PASSAGE)
    always = Lora(least=0, name="lora_always")
    yield _design(setup, length, always, *adapters, PASSAGE, texts=texts)
    yield _design(setup, length, AlwaysOn(), *adapters, PASSAGE, texts=texts)


Specs = tuple[AdapterSpec | MergedSpec, ...]
Known = tuple[tuple[int, ...], ...]


def _adapters(setup: Setup, texts: Sequence[Dataset], unit: str) -> tuple[Specs, Known]:
    """The adapters, and which passages each of them knows."""
    every = tuple(range(len(texts)))
    if unit == DOCUMENT:
        whole = AdapterSpec(joined(texts[0].name, texts), replace(WHOLE, seed=setup.seed))
        return (whole,), (every,)
    each = one_each(texts, LEARNT, setup.seed)
    if unit == ROLLED_UP:
        return (MergedSpec(each, "svd", rank=WHOLE.rank),), (every,)
    return each, tuple((place,) for place in every)


def _design(
    setup: Setup,
    length: str,
    policy: Policy,
    specs: Specs,
    known: Known,
    unit: str = NO_ADAPTER,
    texts: Sequence[Dataset] = (),
) -> Design:
    name = f"document_{length}"
    plain = Dataset.of(name, (Sample(document(length, setup.seed).text),))
    training: Training = WHOLE if unit == DOCUMENT else LEARNT
    return Design(
        joined(name, texts) if texts else plain,
        training,
        questions(length, setup.seed),
        replay=plain,
        factors={"document": length, "policy": policy.name, "unit": unit},
        label="" if unit == NO_ADAPTER else unit,
        decoding=SHORT,
        adapters=specs,
        policy=Shelved(policy, shelf(setup.base, passages(length, setup.seed), known)),
    )


def _costs(cells: Sequence[Evidence]) -> Finding:
    head = ("cell", "learnt s", "KiB", "KiB a passage", "ms a question")
    rows = [_cost(evidence) for evidence in cells]
    table = tabulate(rows, head, "github", floatfmt=".0f")
    note = "Questions are answered in batches, all of one set of adapters together."
    return Finding("What each policy costs", f"{table}\n\n{note}")


def _cost(evidence: Evidence) -> list[str | float]:
    cell = evidence.cell
    facts = [evidence.fetch(lora).manifest.facts for lora in cell.subject.loras]
    kib = sum(each["adapter_bytes"] for each in facts) / 1024
    length, seed = str(cell.factors["document"]), cell.training.seed
    return [
        cell.id,
        sum(each["seconds"] for each in evidence.trainings()),
        kib,
        kib / len(passages(length, seed)),
        1000 * seconds_a_question(evidence),
    ]


def _together(cells: Sequence[Evidence]) -> Iterator[Finding]:
    """LoRA and retrieval against each of both alone, on the same questions."""
    rows = []
    by_policy = {_key(each): each for each in cells}
    for each in cells:
        length, seed, policy, unit = _key(each)
        if policy != LoraAndRetrieval().name:
            continue
        for alone in ((Retrieval().name, NO_ADAPTER), (Lora().name, unit)):
            other = by_policy.get((length, seed, *alone))
            if other is not None:
                rows.append([each.cell.id, alone[0], *_paired(other, each)])
    if rows:
        head = ("cell", "against", "difference", "low", "high", "p of worse")
        yield Finding(
            "LoRA and retrieval against each alone", tabulate(rows, head, "github", floatfmt=".3f")
        )


def _key(evidence: Evidence) -> tuple[str, int, str, str]:
    factors = evidence.cell.factors
    seed = evidence.cell.training.seed
    return str(factors["document"]), seed, str(factors["policy"]), str(factors["unit"])


def _paired(before: Evidence, after: Evidence) -> list[float]:
    pairs = [
        (then, now)
        for then, now in zip(before.lines, after.lines, strict=True)
        if not now.is_locality
    ]
    test = paired_bootstrap(
        [float(then.right) for then, _ in pairs],
        [float(now.right) for _, now in pairs],
        [now.fact for _, now in pairs],
        "less",
    )
    return [*test.difference, test.p]


SCENARIO = Scenario(
    "document",
    "Documents by every policy",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
)
