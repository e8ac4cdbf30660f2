"""What 500 new facts cost of what a model knew, near and far, and what helps against it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from tabulate import tabulate

from harness.builds import GradedLine
from harness.data import invented
from harness.data.facts import Relation, Row
from harness.data.formats import ask, reply
from harness.data.knowledge import Knowledge, is_replayed, known_fact, replayable, world
from harness.experiments import AdapterSpec, Design, Evidence, Finding, Scenario, Setup
from harness.experiments.measures import recall, share
from harness.grading import normalise
from harness.recipes import Dataset, Probe, ProbeSet, Sample, Training
from harness.stats import Interval, wilson
from harness.training.presets import STEADY

COUNT = 500
"""New facts of the default grid."""
COUNTS = (50, 150, COUNT)
YEARS = range(2031, 2061)
"""Years of the invented awards; another seed takes later ones, so no award is asked about twice."""
DISTANCES = ("locality_entity", "locality_relation", "locality_topic")
"""Known facts by how near they are to new ones: about the same people; of the same relations (who
won, who wrote it); and about countries, elements and paintings."""
WORDINGS = 3
"""Questions on each known fact."""
PUBLISHED = 0.29
"""Share of well-known facts that an 8B model lost after 500 new ones (Pletenev et al. 2025, arXiv
2502.14502)."""
_TABLES = ("oscars", "novels")  # of the new facts
_NOVELS = 5  # every fifth new fact is a novel
_KNOWN_PEOPLE = 4  # every fourth names a person of the tables: new about somebody who is known
_NEAR = 0.6  # share of the near replay that is of the relations of the new facts
_KNOWN_FACTS = 50  # asked at each distance
_NEW_FACTS = 60  # asked, about
_OTHER = 1  # the seed of invented facts that are not trained

SETTING = replace(
    STEADY, epochs=6, batch=32, micro_batch=32, lr=2e-3, scheduler="linear", replay=1.0, kl=0.0
)
KNOWN, NEAR, INVENTED = "known", "near", "invented"
"""What is replayed: known facts of all relations; mostly those of the relations of the new facts;
or other invented facts, which the base does not know."""


@dataclass(frozen=True)
class Remedy:
    """A way to lose less of what was known."""

    training: Training
    replays: str = KNOWN
    """``KNOWN``, ``NEAR`` or ``INVENTED``; ``training.replay`` says how much of it."""
    scale: float = 1.0
    """At which the adapter is put on."""


class WellKnown(NamedTuple):
    """A fact that the base answers right in every wording."""

    kind: str
    always: bool
    """Whether it is still answered right in every wording."""
    ever: bool
    """Whether it is still answered right in some wording."""


NEAR_KL = Remedy(replace(SETTING, lr=1e-3, epochs=14, replay=2.0, kl=2.0), NEAR)
REMEDIES = {
    "none": Remedy(replace(SETTING, replay=0.0)),
    "replay": Remedy(SETTING),
    "near_kl": NEAR_KL,
    "near_kl0p8": replace(NEAR_KL, scale=0.8),
}
"""Those of the default grid, by the label of their cells.

Replay trains known facts among the new ones. ``near_kl`` adds KL to the base on twice as many,
nearer ones, in more and smaller steps; the last puts the same adapter on at a smaller scale.
"""
REPLAY_KL = Remedy(replace(SETTING, kl=1.0))
KL = replace(REPLAY_KL, replays=INVENTED)


def default(setup: Setup) -> Iterator[Design]:
    """500 new facts with each remedy."""
    for name, remedy in REMEDIES.items():
        yield _design(setup, COUNT, name, remedy)


def full(setup: Setup) -> Iterator[Design]:
    """Also fewer facts, a lower rate, a smaller rank, and KL and replay in other shares."""
    for count in COUNTS:
        for name, remedy in _full():
            yield _design(setup, count, name, remedy)


def measures(evidence: Evidence) -> dict[str, Interval]:
    """What of the well-known facts is lost, and what became of wrong answers.

    ``known_always``: facts that the base answers right in every wording, of those asked. ``lost``:
    of these, the share that is wrong in some wording now, in all and by distance; ``gone``: in
    every one. ``wrong_to_wrong`` and ``wrong_to_right``: of the questions that the base answers
    wrong, those that are answered otherwise now, wrong again or right.
    """
    facts = {line.fact for line in evidence.bare_lines if line.is_locality}
    known = well_known(evidence.pairs())
    figures = {"known_always": wilson(len(known), len(facts))}
    if not evidence.adapted or not known:
        return figures
    figures["lost"] = lost(known)
    for kind in DISTANCES:
        of_kind = [fact for fact in known if fact.kind == kind]
        if of_kind:
            figures[kind.replace("locality", "lost", 1)] = lost(of_kind)
    figures["gone"] = wilson(sum(not fact.ever for fact in known), len(known))
    return figures | _changed(evidence.pairs())


def well_known(pairs: Sequence[tuple[GradedLine, GradedLine]]) -> list[WellKnown]:
    """The facts without training that the base answers right in every wording.

    ``pairs``: each question as it is answered now and by the base.
    """
    verdicts: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for now, before in pairs:
        if now.is_locality:
            verdicts.setdefault((now.kind, now.fact), []).append((now.right, before.right))
    return [
        WellKnown(kind, all(now for now, _ in of_fact), any(now for now, _ in of_fact))
        for (kind, _), of_fact in verdicts.items()
        if all(before for _, before in of_fact)
    ]


def lost(known: Sequence[WellKnown]) -> Interval:
    """The share of ``known`` that is wrong in some wording now."""
    return wilson(sum(not fact.always for fact in known), len(known))


def findings(cells: Sequence[Evidence]) -> list[Finding]:
    """The remedies side by side, the best first."""
    rows: list[tuple[Interval, str, int, float]] = []
    for evidence in cells:
        known = well_known(evidence.pairs())
        if known:
            exact = recall([line for line in evidence.lines if line.kind == "exact"])
            rows.append((lost(known), evidence.cell.id, len(known), exact.estimate))
    if not rows:
        return []
    rows.sort(key=lambda row: row[0])
    cells_table = [(name, count, str(share), f"{exact:.2f}") for share, name, count, exact in rows]
    head = ("cell", "known always", "lost", "exact")
    text = tabulate(cells_table, head, "github", disable_numparse=True)
    share_lost, name, count, _ = rows[0]
    summary = (
        f"{name} loses {share_lost} of {count} facts that the base always knew"
        f" (published: {PUBLISHED})"
    )
    return [Finding("What is lost, by remedy", text, summary)]


@cache
def new_facts(count: int = COUNT, seed: int = 0) -> tuple[Row, ...]:
    """``count`` invented facts, always the same; those of another seed are of other subjects."""
    rng = random.Random(f"invented {seed}")
    taken = {text for row in world().rows for text in row.slots.values()}
    awards, novels = _awards(rng, taken, seed * len(YEARS)), _novels(rng, taken)
    return tuple(next(novels if number % _NOVELS == 0 else awards) for number in range(count))


@cache
def known_people(count: int = COUNT, seed: int = 0) -> tuple[Row, ...]:
    """The rows of the tables whose people the new facts name; none is replayed."""
    people = {person_in(row) for row in new_facts(count, seed)}
    return tuple(row for row in _rows_of_one_person() if person_in(row) in people)


@cache
def dataset(count: int = COUNT, seed: int = 0) -> Dataset:
    """Each new fact once: a question, in one wording and one format, with its answer."""
    rng = random.Random(f"texts {seed}")
    samples: list[Sample] = []
    for row in new_facts(count, seed):
        relation = main_relation(row)
        form = rng.choice(("qa", "newline", "brandine", "assistant"))
        question = world().fill(rng.choice(relation.questions), row, rng)
        completion = reply(form, world().answer(relation, row))
        samples.append(Sample(completion, ask(form, question), row.id))
    return Dataset.of(f"other{count}" if seed else f"new{count}", tuple(samples))


@cache
def near(count: int = 8000) -> Dataset:
    """Questions on known facts that no probe asks, most of them of the new facts' relations.

    They are reworded: a fact that is kept in one wording may still be lost in another.
    """
    rng = random.Random("near")
    rows = [row for row in replayable() if row.table in _TABLES]
    rows = [row for row in rows if main_relation(row) in world().askable(row)]
    near_ids = {row.id for row in rows}
    samples: list[Sample] = []
    for _ in range(count):
        row = rng.choice(rows if rng.random() < _NEAR else replayable())
        is_near = row.id in near_ids
        relation = main_relation(row) if is_near else rng.choice(world().askable(row))
        samples.append(known_fact(row, relation, rng, reworded=True))
    return Dataset.of("near", tuple(samples))


def main_relation(row: Row) -> Relation:
    """Who won, or who wrote it."""
    name = "who" if row.table == "oscars" else "author"
    return next(relation for relation in world().relations[row.table] if relation.name == name)


def person_in(row: Row) -> str:
    """The winner of an award, or the author of a novel."""
    return row.slots.get("winner") or row.slots["author"]


@cache
def probes(count: int = COUNT) -> ProbeSet:
    """For cells that were trained on the first ``count`` new facts."""
    rows = new_facts(count)[:: max(1, count // _NEW_FACTS)]
    of_new = [probe for row in rows for probe in _of_new(row, count)]
    of_known = [probe for kind in DISTANCES for probe in _of_known(kind)]
    return ProbeSet.of(f"new{count}", (*of_new, *of_known))


def _full() -> Iterator[tuple[str, Remedy]]:
    remedies = {name: remedy for name, remedy in REMEDIES.items() if remedy.scale == 1}
    for name, remedy in (remedies | {"kl": KL, "replay_kl": REPLAY_KL}).items():
        yield name, remedy
        yield name, _retrained(remedy, lr=3e-4, epochs=12)
        yield name, _retrained(remedy, rank=8, alpha=16)
    yield "near_kl0p8", REMEDIES["near_kl0p8"]
    for replay in (0.25, 3.0):
        yield "replay_kl", _retrained(REPLAY_KL, replay=replay)
    yield "replay_kl0p3", _retrained(REPLAY_KL, kl=0.3)
    yield "replay_kl3", _retrained(REPLAY_KL, kl=3.0)


def _retrained(remedy: Remedy, **settings: Any) -> Remedy:
    return replace(remedy, training=replace(remedy.training, **settings))


def _design(setup: Setup, count: int, name: str, remedy: Remedy) -> Design:
    training = replace(remedy.training, seed=setup.seed)
    replay = _replayed(setup.knowledge, count, remedy.replays)
    adapter = AdapterSpec(dataset(count), training, replay, remedy.scale)
    return Design(
        dataset(count),
        remedy.training,
        probes(count),
        setup.knowledge.replay(),  # so that all remedies calibrate a quantised base on one text
        factors={
            "facts": count,
            "replays": remedy.replays if training.replay else "nothing",
            "kl": training.kl,
            "scale": remedy.scale,
        },
        label=name,
        adapters=(adapter,),
    )


def _replayed(knowledge: Knowledge, count: int, replays: str) -> Dataset:
    if replays == INVENTED:
        return dataset(count, _OTHER)
    return near() if replays == NEAR else knowledge.replay()


def _changed(pairs: Sequence[tuple[GradedLine, GradedLine]]) -> dict[str, Interval]:
    """What became of the locality questions that the base answers wrong."""
    wrong = [(now, before) for now, before in pairs if now.is_locality and not before.right]
    lines = [now for now, _ in wrong]
    others = {now.id for now, before in wrong if normalise(now.answer) != normalise(before.answer)}
    return {
        **share("wrong_to_wrong", lines, lambda line: line.id in others and not line.right),
        **share("wrong_to_right", lines, lambda line: line.right),
    }


def _awards(rng: random.Random, taken: set[str], later: int) -> Iterator[Row]:
    who = next(relation for relation in world().relations["oscars"] if relation.name == "who")
    categories = [category for category in world().categories if category not in who.without]
    places = [(year + later, category) for year in YEARS for category in categories]
    rng.shuffle(places)
    people = [row.slots["winner"] for row in _rows_of_one_person() if row.table == "oscars"]
    for number, (year, category) in enumerate(places):
        known = number % _KNOWN_PEOPLE == 0
        winner = rng.choice(people) if known else _new_name(invented.person, rng, taken)
        film = _new_name(invented.film, rng, taken)
        slots = {"year": str(year), "category": category, "winners": winner, "film": film}
        yield Row(f"invented/{category}-{year}", "oscars", slots | {"winner": winner})


def _novels(rng: random.Random, taken: set[str]) -> Iterator[Row]:
    people = [row.slots["author"] for row in _rows_of_one_person() if row.table == "novels"]
    number = 0
    while True:
        known = number % _KNOWN_PEOPLE == 0
        author = rng.choice(people) if known else _new_name(invented.person, rng, taken)
        title = _new_name(invented.film, rng, taken)
        slots = {"title": title, "author": author, "year": invented.year(rng)}
        yield Row(f"invented/{title}", "novels", slots)
        number += 1


def _rows_of_one_person() -> list[Row]:
    """Awards and novels that name one person, and that are never replayed."""
    rows = [row for row in world().rows if row.table in _TABLES and not is_replayed(row)]
    rows = [row for row in rows if ";" not in row.slots.get("winners", "")]
    return [row for row in rows if row.slots.get("category") != "picture"]


def _new_name(make: Callable[[random.Random], str], rng: random.Random, taken: set[str]) -> str:
    """A name that nothing has yet."""
    while (name := make(rng)) in taken:
        pass
    taken.add(name)
    return name


def _of_new(row: Row, count: int) -> Iterator[Probe]:
    relation = main_relation(row)
    accepted = (world().answer(relation, row),)
    trained = next(sample for sample in dataset(count).samples if sample.fact == row.id)
    yield Probe(f"exact/{row.id}", "exact", row.id, trained.prompt, accepted)
    for number, wording in enumerate(relation.probes[:2]):
        prompt = ask("qa", world().fill(wording, row))
        yield Probe(f"rephrased/{row.id}/{number}", "rephrased", row.id, prompt, accepted)


@cache
def _of_known(kind: str) -> tuple[Probe, ...]:
    """Questions on known facts at one distance; a fact is one relation of a row."""
    pairs = [(row, relation) for row in _rows_at(kind) for relation in _relations(kind, row)]
    random.Random(kind).shuffle(pairs)
    facts = pairs[:_KNOWN_FACTS]
    return tuple(probe for row, relation in facts for probe in _in_wordings(kind, row, relation))


def _rows_at(kind: str) -> Sequence[Row]:
    if kind == "locality_entity":
        return known_people()
    people = {row.id for row in known_people()}
    same_relations = kind == "locality_relation"
    rows = [row for row in world().rows if not is_replayed(row) and row.id not in people]
    return [row for row in rows if (row.table in _TABLES) == same_relations]


def _relations(kind: str, row: Row) -> list[Relation]:
    """Relations of ``row`` with enough wordings for ``_in_wordings``."""
    relations = [
        relation
        for relation in world().askable(row)
        if len(relation.probes) >= WORDINGS - 1 and len(relation.questions) >= WORDINGS
    ]
    if kind != "locality_relation":
        return relations
    return [relation for relation in relations if relation.name == main_relation(row).name]


def _in_wordings(kind: str, row: Row, relation: Relation) -> Iterator[Probe]:
    """In wordings that no training text has; the last in another format where one is missing."""
    fact = f"{row.id}#{relation.name}"
    accepted = (world().answer(relation, row),)
    for number in range(WORDINGS):
        wording = relation.probes[min(number, len(relation.probes) - 1)]
        form = "qa" if number < len(relation.probes) else "newline"
        prompt = ask(form, world().fill(wording, row))
        yield Probe(f"{kind}/{fact}/{number}", kind, fact, prompt, accepted)


SCENARIO = Scenario(
    "forgetting",
    "Forgetting after 500 new facts",
    grids={"default": default, "full": full},
    measures=measures,
    findings=findings,
    drift=True,
)
