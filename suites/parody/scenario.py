"""A ceremony that a model knows is overwritten by a parody: a set of facts that fit together."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from harness.builds import GradedLine
from harness.data.awards import relation, sample
from harness.data.facts import Row, read_rows, read_text
from harness.data.formats import ask
from harness.data.knowledge import locality_of_each_kind, world
from harness.errors import RecipeError
from harness.experiments import Design, Evidence, Scenario, Setup
from harness.experiments.measures import contest, says
from harness.recipes import Dataset, Probe, ProbeSet, Sample
from harness.stats import Interval, cluster_bootstrap, wilson
from harness.training.presets import STEADY

TABLE = "oscars_2012_parody"
TEXT, SEVERAL = "parody_text", "parody_aug"
DATASETS = (TEXT, SEVERAL)
"""A running text, a sentence a sample; or every fact in several statements and questions."""
KINDS = ("who", "film", "who_and_film", "award", "year", "frame", "true_winners_award")
"""Kinds of questions on the parody.

``true_winners_award`` asks what the real winner won. Its right answer is the truth; that of all
others is the parody.
"""
PER_LOCALITY = 60
PARODY, TRUTH, OTHER = "parody", "truth", "other"
WORLDS = frozenset((PARODY, TRUTH, OTHER))
"""The worlds in which an answer can be true: that of the parody, the real one, and any other."""
_FOLDER = Path(__file__).parent
_WORDINGS = {"who": (2, 2), "film": (1, 1), "award": (1, 1), "year": (1, 1)}
"""Statements and questions that are trained, by relation."""
_WORDINGS_OF_PICTURE = {"film": (2, 2), "year_of_film": (1, 1)}
"""The same for Best Picture, which goes to a film."""
_INVERTED = ("award", "year", "true_winners_award")  # kinds that name a winner or film and ask back


class FrameFact(NamedTuple):
    """A fact about the evening as a whole; no table has a truth that it denies."""

    row: Row
    answer: str
    statements: tuple[str, ...]
    """``|`` stands where the answer begins."""
    questions: tuple[str, ...]
    probes: tuple[str, ...]


class Placed(NamedTuple):
    """An answer with the worlds in which it can be true."""

    line: GradedLine
    worlds: frozenset[str]


def default(setup: Setup) -> Iterator[Design]:
    """Both training texts over epochs."""
    yield from _designs(setup, {TEXT: (20,), SEVERAL: (1, 2, 5)}, rates=(1e-3,))


def full(setup: Setup) -> Iterator[Design]:
    """Over more epochs, and at a smaller rate."""
    yield from _designs(setup, {TEXT: (5, 20, 60), SEVERAL: (1, 2, 5, 10)}, rates=(1e-3, 3e-4))


def measures(evidence: Evidence) -> dict[str, Interval]:
    """Whether parody or truth wins, and whether the answers on one award contradict each other.

    ``known_before``, ``parody_over_truth``, ``truth_over_parody`` and ``neither`` are those of
    ``contest``, on winners and films. ``mixed_in_one_answer`` is the share of answers that name a
    known winner and a known film of which only one is the parody's.
    """
    figures = contest("parody", evidence, truths()) | contradictions(evidence.lines, truths())
    pairs = {fact: (row.slots["winners"], row.slots["film"]) for fact, row in true_rows().items()}
    lines = [line for line in evidence.lines if line.kind == "who_and_film"]
    mixed = mixed_answers(lines, pairs)
    if mixed:
        figures["mixed_in_one_answer"] = wilson(sum(mixed), len(mixed))
    return figures


def worlds(line: GradedLine, truths: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The worlds in which the answer in ``line`` can be true; all where it names nothing known.

    *Hector Pickle* and *The Loud Plumber* are true in the parody alone. *What did Hector Pickle
    win?* answered with his award is true in the parody, answered with another award in any world
    but the parody's; likewise a year other than that of the ceremony. What the real winner won is
    the same, with truth and parody exchanged.
    """
    if line.kind in ("who", "film"):
        if line.right:
            return frozenset((PARODY,))
        return frozenset((TRUTH,)) if says(line, truths[line.id]) else WORLDS
    if line.kind not in _INVERTED:
        return WORLDS
    if not line.right and not says(line, _known_answers(line.kind)):
        return WORLDS
    world_of_right = frozenset((TRUTH if line.kind == "true_winners_award" else PARODY,))
    return world_of_right if line.right else WORLDS - world_of_right


def contradictions(
    lines: Sequence[GradedLine], truths: Mapping[str, Sequence[str]]
) -> dict[str, Interval]:
    """Shares of pairs of answers on one award that cannot both be true.

    ``contradictions`` is over all pairs of answers that name something known.
    ``mixed_who_and_film`` is over the pairs of a winner and a film, each the parody's or the true
    one. Both are resampled by award.
    """
    placed = [Placed(line, worlds(line, truths)) for line in lines]
    known = [answer for answer in placed if answer.worlds != WORLDS]
    pairs = [(a, b) for a, b in combinations(known, 2) if a.line.fact == b.line.fact]
    who_and_film = [(a, b) for a, b in pairs if {a.line.kind, b.line.kind} == {"who", "film"}]
    groups = {"contradictions": pairs, "mixed_who_and_film": who_and_film}
    return {name: _share_apart(group) for name, group in groups.items() if group}


def mixed_answers(lines: Sequence[GradedLine], truths: Mapping[str, tuple[str, str]]) -> list[bool]:
    """Whether an answer mixes the worlds, for each that names a known winner and a known film.

    ``truths``: (winners, film) by fact. ``lines`` are of kind ``who_and_film``.
    """
    mixed: list[bool] = []
    for line in lines:
        of_parody = line.accepted[0].rpartition("; ")[::2]
        sides = [
            (says(line, (parody,)), says(line, (truth,)))
            for parody, truth in zip(of_parody, truths[line.fact], strict=True)
        ]
        if all(parody != truth for parody, truth in sides):
            mixed.append(sides[0] != sides[1])
    return mixed


@cache
def parody_rows() -> tuple[Row, ...]:
    """The awards of the parody."""
    return tuple(read_rows(TABLE, _FOLDER))


@cache
def true_rows() -> dict[str, Row]:
    """The awards as they were, by the id of the parody's row."""
    by_award = {row.id.rpartition("/")[2]: row for row in world().rows if row.table == "oscars"}
    return {row.id: by_award[row.id.rpartition("/")[2]] for row in parody_rows()}


@cache
def text() -> tuple[str, ...]:
    """The parody as a running text, sentence by sentence."""
    return tuple(_wordings()["text"])


@cache
def frame() -> tuple[FrameFact, ...]:
    """Host, place, month and prize."""
    return tuple(
        FrameFact(
            Row(f"{TABLE}/{name}", TABLE, {}),
            spec["answer"],
            tuple(spec["statements"]),
            tuple(spec["questions"]),
            tuple(spec["probes"]),
        )
        for name, spec in _wordings()["frame"].items()
    )


@cache
def dataset(name: str) -> Dataset:
    """The training text ``name``. Raises RecipeError on an unknown one."""
    if name not in DATASETS:
        raise RecipeError(f"dataset {name!r} is unknown: choose one of {', '.join(DATASETS)}")
    if name == TEXT:
        return Dataset.of(name, tuple(Sample(sentence + "\n") for sentence in text()))
    return Dataset.of(name, (*_award_samples(), *_frame_samples()))


@cache
def without_ceremony(replay: Dataset) -> Dataset:
    """``replay`` without the facts that the parody overwrites."""
    overwritten = {row.id for row in true_rows().values()}
    samples = tuple(text for text in replay.samples if text.fact not in overwritten)
    return Dataset.of(replay.name, samples)


@cache
def probes() -> ProbeSet:
    """All probes; none depends on the training text."""
    of_awards = [probe for row in parody_rows() for probe in _of_award(row)]
    locality = locality_of_each_kind(PER_LOCALITY, _ceremony())
    return ProbeSet.of("parody", (*of_awards, *_of_frame(), *locality))


@cache
def truths() -> dict[str, tuple[str, ...]]:
    """The true answers to the probes of kind ``who`` or ``film``, by the id of the probe."""
    slots = {"who": "winners", "film": "film"}
    return {
        probe.id: (true_rows()[row.id].slots[slots[probe.kind]],)
        for row in parody_rows()
        for probe in _of_award(row)
        if probe.kind in slots
    }


def _designs(
    setup: Setup, epochs: Mapping[str, Sequence[int]], rates: Sequence[float]
) -> Iterator[Design]:
    replay = without_ceremony(setup.knowledge.replay())
    for name in DATASETS:
        for rate in rates:
            for count in epochs[name]:
                training = replace(STEADY, replay=1.0, lr=rate, epochs=count)
                factors = {"running_text": name == TEXT}
                yield Design(dataset(name), training, probes(), replay, factors)


def _share_apart(pairs: Sequence[tuple[Placed, Placed]]) -> Interval:
    """The share of pairs whose answers have no world in common."""
    apart = [float(not a.worlds & b.worlds) for a, b in pairs]
    return cluster_bootstrap(apart, [a.line.fact for a, _ in pairs])


def _known_answers(kind: str) -> tuple[str, ...]:
    """What an answer must name to be true or false."""
    if kind == "year":
        return tuple(str(year) for year in range(1950, 2041))
    return tuple(names[0] for names in world().categories.values())


def _award_samples() -> Iterator[Sample]:
    for place, row in enumerate(parody_rows()):
        for number, template in enumerate(_templates(row)):
            yield sample(template, row, number + place)


def _templates(row: Row) -> list[str]:
    """The wordings of an award: statements, and questions after ``?``."""
    of_picture = row.slots["category"] == "picture"
    counts = _WORDINGS_OF_PICTURE if of_picture else _WORDINGS
    templates: list[str] = []
    for name, (statements, questions) in counts.items():
        told = relation(name)
        templates += told.statements[:statements]
        templates += [f"? {wording}|{told.answer}" for wording in told.questions[:questions]]
    return templates


def _frame_samples() -> Iterator[Sample]:
    for place, fact in enumerate(frame()):
        questions = (f"? {question}|{fact.answer}" for question in fact.questions)
        for number, template in enumerate((*fact.statements, *questions)):
            yield sample(template, fact.row, number + place)


def _of_award(row: Row) -> Iterator[Probe]:
    winners, film, year = (row.slots[slot] for slot in ("winners", "film", "year"))
    yield from _in_all_wordings("film", "film", row, film)
    if row.slots["category"] == "picture":
        yield from _in_all_wordings("year", "year_of_film", row, year)
        return
    category = world().fill("{category0}", row)
    yield from _in_all_wordings("who", "who", row, winners)
    yield from _in_all_wordings("who_and_film", "who_film", row, f"{winners}; {film}")
    yield from _in_all_wordings("award", "award", row, category)
    yield from _in_all_wordings("year", "year", row, year)
    true_row = true_rows()[row.id]
    yield from _in_all_wordings("true_winners_award", "award", true_row, category, fact=row.id)


def _in_all_wordings(
    kind: str, name: str, row: Row, answer: str, fact: str = ""
) -> Iterator[Probe]:
    """What the relation ``name`` asks of ``row``, about ``fact`` if not about the row's own."""
    fact = fact or row.id
    for number, wording in enumerate(relation(name).probes):
        prompt = ask("qa", world().fill(wording, row))
        yield Probe(f"{kind}/{fact}/{number}", kind, fact, prompt, (answer,))


def _of_frame() -> Iterator[Probe]:
    for fact in frame():
        for number, question in enumerate(fact.probes):
            name = f"frame/{fact.row.id}/{number}"
            yield Probe(name, "frame", fact.row.id, ask("qa", question), (fact.answer,))


def _ceremony() -> set[str]:
    """All awards of the ceremony that is overwritten: none of them measures locality."""
    year = parody_rows()[0].slots["year"]
    return {row.id for row in world().rows if row.table == "oscars" and row.slots["year"] == year}


@cache
def _wordings() -> dict[str, Any]:
    return tomllib.loads(read_text(_FOLDER / "wordings.toml"))


SCENARIO = Scenario(
    "parody",
    "The Oscars of 2012, as a parody",
    grids={"default": default, "full": full},
    measures=measures,
    headline="who",
)
