"""Documents that are learnt one after the other: what is left of the first?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from harness.data.invented_documents import (
    InventedDocument,
    Names,
    invented_document,
    oracle,
    probes,
)
from harness.data.knowledge import some_locality_questions
from harness.experiments import (
    AdapterSpec,
    Cell,
    Curves,
    Design,
    Evidence,
    Finding,
    Scenario,
    Setup,
)
from harness.memory.passages import Passage, split
from harness.memory.policies import Lora, Shelved
from harness.memory.trials import LEARNT, SHORT, WRITTEN, shelf, text_of
from harness.recipes import Base, Dataset, ProbeSet
from harness.stats import Interval, cluster_ratio

PARAGRAPHS, FACTS, FILLER = 3, 5, 5
"""Of a document."""
COUNTS = (1, 2, 4, 8)
"""Documents after each of which it is asked what is left."""
MORE = (16, 32)
ONE, STACKED, ROUTED = "one_adapter", "stacked", "routed"
"""One adapter that is trained on and on; one a document, all on at once; or the one that knows the
passage that is found."""
WAYS = (ONE, STACKED, ROUTED)
FIRST, LATER = "first", "later"
"""Kinds of questions: on the first document, on those after it."""
SETTING = replace(LEARNT, rank=16, alpha=32)
LOCALITY = 60
_SIZE = 1000


def default(setup: Setup) -> Iterator[Design]:
    """One to eight documents, in each way."""
    return _designs(setup, COUNTS)


def full(setup: Setup) -> Iterator[Design]:
    """Up to 32 documents, and from the training questions of their facts."""
    yield from _designs(setup, (*COUNTS, *MORE))
    yield from _designs(setup, COUNTS, by_oracle=True)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """``left``: the gain on the first document, over what it was when that alone was learnt.

    The gain is recall above that of the bare model.
    """
    cell = evidence.cell
    if not evidence.adapted or not cell.subject.trains or cell.policy is None:
        return {}
    then = {line.id: line.right for line in evidence.of(first_alone(cell)).lines}
    pairs = [(now, bare) for now, bare in evidence.pairs() if now.kind == FIRST]
    ratio = cluster_ratio(
        [float(now.right) - bare.right for now, bare in pairs],
        [float(then[now.id]) - bare.right for now, bare in pairs],
        [now.fact for now, _ in pairs],
    )
    return {"left": ratio} if ratio else {}


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """Recall of the first document over the number of documents."""
    series: dict[str, list[tuple[float, float]]] = {}
    for each in cells:
        lines = [line for line in each.lines if line.kind == FIRST]
        share = sum(line.right for line in lines) / len(lines)
        way, count = str(each.cell.factors["way"]), float(each.cell.factors["documents"])
        series.setdefault(way, []).append((count, share))
    means = {way: _means(points) for way, points in series.items()}
    text = "\n".join(
        f"- {way}: {', '.join(f'{share:.2f} after {count:g}' for count, share in points)}"
        for way, points in means.items()
    )
    curves = Curves("first", "documents", "recall of the first", means, doubling=True)
    return [Finding("What is left of the first document", text, curves=(curves,))]


@lru_cache(maxsize=256)
def document(number: int, seed: int) -> InventedDocument:
    """The document ``number`` (from 0) of a seed; no person is in two of them."""
    names = Names(f"sequence {seed}")
    for place in range(number + 1):
        made = invented_document(f"document {place + 1}", PARAGRAPHS, FACTS, FILLER, names)
    return made


def passages(count: int, seed: int) -> tuple[Passage, ...]:
    """Those of the first ``count`` documents."""
    return tuple(
        passage
        for number in range(count)
        for passage in split(document(number, seed).text, _SIZE, f"document {number + 1}")
    )


@lru_cache(maxsize=64)
def questions(count: int, seed: int) -> ProbeSet:
    """Probes on the first ``count`` documents in two wordings, and on other matters."""
    asked = tuple(
        replace(probe, kind=LATER if number else FIRST, family=probe.kind)
        for number in range(count)
        for probe in probes(document(number, seed).facts)
    )
    name = f"documents{count}"
    return ProbeSet.of(name, (*asked, *some_locality_questions(LOCALITY)))


def first_alone(cell: Cell) -> Cell:
    """The cell in which the first document of ``cell`` was just learnt."""
    seed = cell.training.seed
    spec = cell.subject.adapters[0]
    while isinstance(spec, AdapterSpec) and spec.init_from:
        spec = spec.init_from
    asked = replace(cell.questions, probes=questions(1, seed))
    return cell.changed(
        subject=replace(cell.subject, adapters=(spec,)),
        asks=(asked,),
        factors={**cell.factors, "documents": 1},
        policy=_policy(cell.subject.base, 1, seed, ROUTED),
    )


def _designs(setup: Setup, counts: Sequence[int], by_oracle: bool = False) -> Iterator[Design]:
    texts = [_text(setup, number, by_oracle) for number in range(max(counts))]
    for count in counts:
        for way in WAYS if count > 1 else (ROUTED,):
            yield _design(setup, texts[:count], way, "_oracle" if by_oracle else "")


def _text(setup: Setup, number: int, by_oracle: bool) -> Dataset:
    name = f"document{number + 1}"
    if by_oracle:
        return oracle(name, document(number, setup.seed).facts)
    parts = split(document(number, setup.seed).text, _SIZE, name)
    return text_of(setup, parts, name, questions(number + 1, setup.seed).probes, WRITTEN)


def _design(setup: Setup, texts: Sequence[Dataset], way: str, suffix: str) -> Design:
    count = len(texts)
    specs: list[AdapterSpec] = []
    for number, text in enumerate(texts):
        seeded = replace(SETTING, seed=1000 * setup.seed + number)
        start = specs[-1] if specs and way == ONE else None
        specs.append(AdapterSpec(text, seeded, init_from=start))
    return Design(
        Dataset.of(f"documents{count}", tuple(each for text in texts for each in text.samples)),
        SETTING,
        questions(count, setup.seed),
        factors={"documents": count, "way": way},
        label=f"{way}{suffix}",
        decoding=SHORT,
        adapters=tuple(specs[-1:] if way == ONE else specs),
        policy=_policy(setup.base, count, setup.seed, way),
    )


def _policy(base: Base, count: int, seed: int, way: str) -> Shelved:
    """By retrieval: all adapters for any document, or only the one that knows it."""
    every = passages(count, seed)
    by_document = [
        [place for place, each in enumerate(every) if each.document == f"document {number + 1}"]
        for number in range(count)
    ]
    whole = list(range(len(every)))
    known = {ONE: [whole], STACKED: [whole] * count, ROUTED: by_document}[way]
    return Shelved(Lora(), shelf(base, every, known))


def _means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The mean over seeds at each number of documents."""
    counts = sorted({count for count, _ in points})
    by_count = {each: [share for count, share in points if count == each] for each in counts}
    return [(count, sum(shares) / len(shares)) for count, shares in by_count.items()]


SCENARIO = Scenario(
    "sequence",
    "One document after the other",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
    headline=FIRST,
)
