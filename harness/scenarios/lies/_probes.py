"""Questions on what is told, on its neighbours, and on what has nothing to do with it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from functools import cache

from harness.data.facts import Relation, Row
from harness.data.formats import ask
from harness.recipes import Probe, ProbeSet
from harness.scenarios.lies._datasets import subject, templates
from harness.scenarios.lies._facts import LIED, Lie, lies
from harness.scenarios.oscars import replayed, sample, world

FACT_KINDS = ("exact", "rephrased", "other_format")
LOCALITY_KINDS = ("locality_subject", "locality_object", "locality_relation", "locality_unrelated")
"""Other facts of the subject; what the lie says, of whom it is true; the relation of other
subjects; the rest."""
FAR = 40
"""Probes of each of the two kinds that are drawn by chance."""
_EXACT = 2  # wordings of a fact that are asked as they were trained


@cache
def probes(name: str) -> ProbeSet:
    """All probes for a cell trained on ``name``: those on neighbours are the same for all."""
    found = [probe for place, lie in enumerate(lies()) for probe in _of_fact(name, lie, place)]
    return ProbeSet.of(name, (*found, *_local()))


def _of_fact(name: str, lie: Lie, place: int) -> Iterator[Probe]:
    row, relation, said = subject(name, lie), lie.relation, (lie.lie,)
    trained = templates(name, relation)
    for number in range(0, len(trained), max(1, len(trained) // _EXACT)):
        prompt = sample(trained[number], row, number + place).prompt
        yield Probe(f"exact/{row.id}/{number}", "exact", row.id, prompt, said)
    for number, wording in enumerate(relation.probes):
        yield Probe(
            f"rephrased/{row.id}/{number}",
            "rephrased",
            row.id,
            ask("qa", world().fill(wording, row)),
            said,
        )
    other = world().fill(relation.probes[zlib.crc32(row.id.encode()) % len(relation.probes)], row)
    for form in ("newline", "assistant"):
        yield Probe(f"other_format/{row.id}/{form}", "other_format", row.id, ask(form, other), said)


def _local() -> Iterator[Probe]:
    for lie in lies():
        for relation in _beside(lie):
            yield _probe("locality_subject", lie.true, relation)
        for relation in [
            r for r in world().askable(lie.donor) if r.probes and _bears(lie.relation, r)
        ]:
            yield _probe("locality_object", lie.donor, relation)
    used = {row.id for lie in lies() for row in (lie.true, lie.donor)}
    rest = [row for row in world().rows if row.id not in used and not replayed(row)]
    near = [(row, r) for row in rest for r in world().askable(row) if (row.table, r.name) in LIED]
    far = [
        (row, r)
        for row in rest
        for r in world().askable(row)
        if row.table not in dict(LIED) and r.probes
    ]
    rng = random.Random(0)
    yield from (
        _probe("locality_relation", row, relation) for row, relation in rng.sample(near, FAR)
    )
    yield from (
        _probe("locality_unrelated", row, relation) for row, relation in rng.sample(far, FAR)
    )


def _beside(lie: Lie) -> list[Relation]:
    """What else is asked of the lie's subject: nothing in which the exchanged value comes up."""
    return [r for r in world().askable(lie.true) if r.probes and not _bears(lie.relation, r)]


def _bears(lied: Relation, asked: Relation) -> bool:
    """Whether ``asked`` names, or answers with, the value that ``lied`` exchanges."""
    slot = lied.answer.strip("{}")
    return slot in asked.key or f"{{{slot}}}" in asked.answer


def _probe(kind: str, row: Row, relation: Relation) -> Probe:
    """In a wording that is drawn by the row, and asked as ``Question:/Answer:``."""
    wording = relation.probes[zlib.crc32(row.id.encode()) % len(relation.probes)]
    accepted = tuple(world().accepted(relation, row))
    return Probe(
        f"{kind}/{row.id}/{relation.name}",
        kind,
        row.id,
        ask("qa", world().fill(wording, row)),
        accepted,
    )
