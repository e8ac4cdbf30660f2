"""Questions on every fact of the parody, in words that no training text has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from harness.data.facts import Row
from harness.data.formats import ask
from harness.recipes import Probe, ProbeSet
from harness.scenarios.oscars import locality, relation, world
from harness.scenarios.parody._facts import frame, parody_rows, true_rows

KINDS = ("who", "film", "who_and_film", "award", "year", "frame", "true_winners_award")
"""``true_winners_award`` asks what the real winner won: the only kind whose right answer is the
truth."""
PER_LOCALITY = 60


@cache
def probes() -> ProbeSet:
    """All probes: none depends on the training text."""
    found = [probe for row in parody_rows() for probe in _of_award(row)]
    return ProbeSet.of("parody", (*found, *_of_frame(), *locality(PER_LOCALITY, _evening())))


@cache
def truths() -> dict[str, tuple[str, ...]]:
    """By the id of each probe of kind ``who`` or ``film``, what is true."""
    found: dict[str, tuple[str, ...]] = {}
    for row in parody_rows():
        for probe in _of_award(row):
            if probe.kind in ("who", "film"):
                found[probe.id] = (
                    true_rows()[row.id].slots["winners" if probe.kind == "who" else "film"],
                )
    return found


def _of_award(row: Row) -> Iterator[Probe]:
    person = row.slots["category"] != "picture"
    category = world().fill("{category0}", row)
    yield from _asked("film", "film", row, row.slots["film"])
    if not person:
        yield from _asked("year", "year_of_film", row, row.slots["year"])
        return
    yield from _asked("who", "who", row, row.slots["winners"])
    yield from _asked(
        "who_and_film", "who_film", row, f"{row.slots['winners']}; {row.slots['film']}"
    )
    yield from _asked("award", "award", row, category)
    yield from _asked("year", "year", row, row.slots["year"])
    yield from _asked("true_winners_award", "award", true_rows()[row.id], category, row.id)


def _asked(kind: str, name: str, row: Row, answer: str, fact: str = "") -> Iterator[Probe]:
    fact = fact or row.id
    for number, wording in enumerate(relation(name).probes):
        yield Probe(
            f"{kind}/{fact}/{number}", kind, fact, ask("qa", world().fill(wording, row)), (answer,)
        )


def _of_frame() -> Iterator[Probe]:
    for told in frame():
        for number, question in enumerate(told.probes):
            yield Probe(
                f"frame/{told.row.id}/{number}",
                "frame",
                told.row.id,
                ask("qa", question),
                (told.answer,),
            )


def _evening() -> set[str]:
    """All awards of the ceremony that is overwritten: none of them measures locality."""
    year = parody_rows()[0].slots["year"]
    return {row.id for row in world().rows if row.table == "oscars" and row.slots["year"] == year}
