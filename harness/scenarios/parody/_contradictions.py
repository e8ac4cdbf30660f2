"""Which pairs of answers on one award cannot both be true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from harness.experiments.scenario import Line
from harness.experiments.shares import says
from harness.scenarios.oscars import world
from harness.stats import Interval, cluster_bootstrap

PARODY, TRUTH, OTHER = "parody", "truth", "other"
ALL = frozenset((PARODY, TRUTH, OTHER))
"""The worlds in which an answer can be true: the parody's, the real one, and any other."""


def worlds(line: Line, truths: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The worlds in which the answer in ``line`` is true, as far as it can be told; all, where it
    says nothing known.

    *Hector Pickle* and *The Loud Plumber* are true in the parody alone. *What did Hector Pickle
    win?* answered with his award is true in the parody, answered with another award in any world
    but the parody's; a year other than that of the ceremony likewise. What the real winner won is
    the same, the other way round.
    """
    if line["kind"] in ("who", "film"):
        if line["right"]:
            return frozenset((PARODY,))
        return frozenset((TRUTH,)) if says(line, truths[line["id"]]) else ALL
    if line["kind"] not in _ASKED_BACK or not (line["right"] or says(line, _values(line["kind"]))):
        return ALL
    own = frozenset((TRUTH if line["kind"] == "true_winners_award" else PARODY,))
    return own if line["right"] else ALL - own


def contradictions(
    lines: Sequence[Line], truths: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """``contradictions`` among the pairs of answers on one award that say something, and those that
    mix two worlds.

    ``mixed_who_and_film`` is the share of pairs of a winner and a film, each from the parody or the
    truth, of which one is the parody's and the other the truth's. Pairs of one award stand or fall
    together.
    """
    said = [(line, held) for line in lines if (held := worlds(line, truths)) != ALL]
    pairs = [(a, b) for a, b in combinations(said, 2) if a[0]["fact"] == b[0]["fact"]]
    linked = [(a, b) for a, b in pairs if {a[0]["kind"], b[0]["kind"]} == {"who", "film"}]
    found = {"contradictions": pairs, "mixed_who_and_film": linked}
    return {name: _share(of) for name, of in found.items() if of}


def mixed_answers(lines: Sequence[Line], truths: Mapping[str, tuple[str, str]]) -> list[bool]:
    """For each answer that names a known winner and a known film, whether one is the parody's and
    one the truth's.

    ``truths``: (winners, film) by fact. ``lines`` are of kind ``who_and_film``.
    """
    found = []
    for line in lines:
        told, true = line["accepted"][0].rpartition("; ")[::2], truths[line["fact"]]
        sides = [(says(line, (a,)), says(line, (b,))) for a, b in zip(told, true, strict=True)]
        if all(a != b for a, b in sides):
            found.append(sides[0] != sides[1])
    return found


_Said = tuple[Line, frozenset[str]]
_ASKED_BACK = ("award", "year", "true_winners_award")


def _share(pairs: Sequence[tuple[_Said, _Said]]) -> Interval:
    return cluster_bootstrap(
        [float(not a[1] & b[1]) for a, b in pairs], [a[0]["fact"] for a, _ in pairs]
    )


def _values(kind: str) -> tuple[str, ...]:
    """What an answer must name to say anything."""
    if kind == "year":
        return tuple(str(year) for year in range(1950, 2041))
    return tuple(names[0] for names in world().categories.values())
