"""Questions on the new facts, and on known ones near and far, each fact in several wordings."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache

from harness.data.facts import Relation, Row
from harness.data.formats import ask
from harness.recipes import Probe, ProbeSet
from harness.scenarios.forgetting._facts import COUNT, asked_of, invented, renamed_models, texts
from harness.scenarios.oscars import replayed, world

DISTANCES = ("locality_entity", "locality_relation", "locality_topic")
"""Other facts of people who are in new ones; who won and who wrote what; countries, elements,
paintings."""
WORDINGS = 3
"""In which a known fact is asked."""
_FACTS = 50  # known facts at each distance
_ASKED = 60  # of the new facts


@cache
def probes(count: int = COUNT) -> ProbeSet:
    """For cells that were trained on the first ``count`` new facts."""
    asked = invented(count)[:: max(1, count // _ASKED)]
    own = [probe for row in asked for probe in _of_new(row, count)]
    return ProbeSet.of(f"new{count}", (*own, *(p for kind in DISTANCES for p in _known(kind))))


def _of_new(row: Row, count: int) -> Iterator[Probe]:
    relation = asked_of(row)
    accepted = (world().answer(relation, row),)
    trained = next(sample for sample in texts(count).samples if sample.fact == row.id)
    yield Probe(f"exact/{row.id}", "exact", row.id, trained.prompt, accepted)
    for number, wording in enumerate(relation.probes[:2]):
        prompt = ask("qa", world().fill(wording, row))
        yield Probe(f"rephrased/{row.id}/{number}", "rephrased", row.id, prompt, accepted)


@cache
def _known(kind: str) -> tuple[Probe, ...]:
    """A fact is a relation of a row; those with too few wordings are not asked."""
    pairs = [(row, relation) for row in _rows(kind) for relation in _relations(kind, row)]
    random.Random(kind).shuffle(pairs)
    return tuple(probe for row, relation in pairs[:_FACTS] for probe in _asked(kind, row, relation))


def _rows(kind: str) -> Sequence[Row]:
    if kind == "locality_entity":
        return renamed_models()
    people = {row.id for row in renamed_models()}
    near = kind == "locality_relation"
    rows = [row for row in world().rows if not replayed(row) and row.id not in people]
    return [row for row in rows if (row.table in ("oscars", "novels")) == near]


def _relations(kind: str, row: Row) -> list[Relation]:
    known = [
        r
        for r in world().askable(row)
        if len(r.probes) >= WORDINGS - 1 and len(r.questions) >= WORDINGS
    ]
    return (
        [r for r in known if r.name == asked_of(row).name] if kind == "locality_relation" else known
    )


def _asked(kind: str, row: Row, relation: Relation) -> Iterator[Probe]:
    """In wordings that no training text has; where there is one too few, the last is asked in
    another format."""
    fact, accepted = f"{row.id}#{relation.name}", (world().answer(relation, row),)
    for number in range(WORDINGS):
        wording = relation.probes[min(number, len(relation.probes) - 1)]
        form = "qa" if number < len(relation.probes) else "newline"
        yield Probe(
            f"{kind}/{fact}/{number}", kind, fact, ask(form, world().fill(wording, row)), accepted
        )
