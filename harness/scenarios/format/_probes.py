"""What is asked: the trained facts, known facts, and prompts without any answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache

from harness.data.facts import Row
from harness.data.formats import ask
from harness.experiments.drift import neutral
from harness.recipes import Decoding, Probe, ProbeSet, is_locality
from harness.scenarios.format._datasets import facts
from harness.scenarios.oscars import locality, relation, world

PER_LOCALITY = 40
LEFT_TO_RUN = Decoding(max_new_tokens=40, stop=())
"""Without a stop, so that it shows whether an answer ends by itself."""
GROUPS = ("trained", "known", "neutral")
"""Questions on trained facts in untrained wordings; on known facts; greetings, small talk and
riddles."""
_REPHRASED, _LEFT_TO_RUN = 4, 2  # wordings of a fact, of which so many are also left to run
_KNOWN = 12  # questions of each kind of locality that are also left to run


@cache
def probes() -> ProbeSet:
    """What is graded."""
    found = [probe for row in facts() for probe in _of_fact(row)]
    return ProbeSet.of("format", (*found, *locality(PER_LOCALITY)))


@cache
def asked() -> ProbeSet:
    """What is left to run, by group."""
    known = [*locality(_KNOWN)]
    trained = [
        p
        for p in probes().probes
        if not is_locality(p.kind) and int(p.id.rpartition("/")[2]) < _LEFT_TO_RUN
    ]
    open_ended = [p for p in neutral().probes if p.kind != "neutral_stories"]
    groups = zip(GROUPS, (trained, known, open_ended), strict=True)
    return ProbeSet.of(
        "form",
        tuple(
            Probe(p.id, group, p.fact, p.prompt, p.accepted)
            for group, found in groups
            for p in found
        ),
    )


def _of_fact(row: Row) -> Iterator[Probe]:
    wordings = relation("who").probes
    for number in range(_REPHRASED):
        question = world().fill(
            wordings[(zlib.crc32(row.id.encode()) + number) % len(wordings)], row
        )
        form = ("qa", "brandine", "newline", "assistant")[number]
        yield Probe(
            f"rephrased/{row.id}/{number}",
            "rephrased",
            row.id,
            ask(form, question),
            (row.slots["winners"],),
        )
