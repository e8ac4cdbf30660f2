"""Reading comprehension: a passage of invented facts, then questions on it."""

from __future__ import annotations

import random
from typing import NamedTuple

from harness.data import invented as _words
from harness.data.facts import Relation, Row, World
from harness.data.rewording import reword
from harness.pocket._parts import Document, Segment, any_format, turns

_HARD_OFTENER = (6, 1, 1, 3, 6, 4)
"""Weights of the kinds in training: where two keys decide (year and category; name and thing) more
is needed."""


class Passage(NamedTuple):
    lines: list[str]
    asked: list[tuple[str, str, str]]
    """(question, probe question, answer), one a line."""
    joint: str = " "


def passage(
    world: World, rng: random.Random, length: int, weights: tuple[int, ...] = (4, 3, 2, 2, 2, 3)
) -> Passage:
    """About ``length`` invented facts; ``weights`` are those of awards, people, dialogue, story,
    dates, untruths."""
    kinds = (_awards, _people, _dialogue, _story, _dated, _untrue)
    return rng.choices(kinds, weights)[0](world, rng, length)


def document(world: World, rng: random.Random, long: bool = False) -> Document:
    """A passage of up to 12 facts (``long``: 60) and questions on most of them: the answers alone
    are learnt from."""
    most = 60 if long else rng.choice((4, 8, 12, 12))
    found = passage(world, rng, rng.randint(12 if long else 1, most), _HARD_OFTENER)
    picked = rng.sample(found.asked, min(len(found.asked), rng.randint(2, 25 if long else 10)))
    opening = rng.choice(("", "", "Text: ", "Passage:\n", "Context:\n"))
    text = opening + found.joint.join(found.lines) + rng.choice(("\n", "\n\n"))
    return [Segment(text, False), *turns([(q, a) for q, _, a in picked], rng)]


def probe(world: World, rng: random.Random) -> tuple[str, str]:
    """(prompt, answer): a passage with one question in a wording that no training text has."""
    from harness.data.formats import ask

    found = passage(world, rng, rng.randint(3, 10))
    _, question, answer = rng.choice(found.asked)
    return f"{found.joint.join(found.lines)}\n\n{ask(any_format(rng), question)}", answer


def _awards(world: World, rng: random.Random, length: int) -> Passage:
    lines: list[str] = []
    asked: list[tuple[str, str, str]] = []
    seen: set[tuple[str, str]] = set()
    for _ in range(length):
        category, year = rng.choice(list(world.categories)), str(rng.randint(1990, 2030))
        if (category, year) in seen:
            continue
        seen.add((category, year))
        row = Row(
            "",
            "oscars",
            {
                "year": year,
                "category": category,
                "winner": _words.people(rng),
                "film": _words.film(rng),
            },
        )
        _add(world, row, rng, lines, asked)
    return Passage(lines, asked, rng.choice((" ", "\n")))


def _untrue(world: World, rng: random.Random, length: int) -> Passage:
    """Real rows whose values were exchanged for those of other rows."""
    rows = rng.sample(world.rows, min(length, 40))
    lines: list[str] = []
    asked: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    for row in rows:
        others = [r for r in rng.sample(world.rows, 60) if r.table == row.table]
        key = next(iter(row.slots))
        kept = ("year", "category") if row.table == "oscars" else (key,)
        if others and row.id not in seen:
            seen.add(row.id)
            mixed = {
                name: row.slots[name] if name in kept else other
                for name, other in rng.choice(others).slots.items()
            }
            _add(world, Row("", row.table, mixed), rng, lines, asked)
    return Passage(lines, asked, rng.choice((" ", "\n"))) if asked else _awards(world, rng, length)


def _add(
    world: World, row: Row, rng: random.Random, lines: list[str], asked: list[tuple[str, str, str]]
) -> None:
    relations = [r for r in world.relations[row.table] if r.statements and world.fits(r, row)]
    relation = rng.choice(relations)
    lines.append(world.fill(rng.choice(relation.statements), row, rng).replace("|", ""))
    known: list[Relation] = [relation]
    if (
        relation.name in ("who", "award") and row.table == "oscars"
    ):  # these statements tell all four slots
        known = [r for r in world.relations["oscars"] if world.fits(r, row) and r.questions]
    for ask in rng.sample(known, min(len(known), 2)):
        question, probe = (
            world.fill(w, row, rng)
            for w in (reword(rng.choice(ask.questions), rng), rng.choice(ask.probes))
        )
        asked.append((question, probe, world.answer(ask, row)))


def _invented(
    rng: random.Random, length: int, dialogue: bool
) -> list[tuple[str, str, str, str, str]]:
    """(speaker, sentence, question, probe, answer), no two on one thing of one subject."""
    kinds = _words.reading()
    single = rng.random() < 0.5 or dialogue
    names = sorted(
        {
            rng.choice(_words.words()["first"]) if single else _words.person(rng)
            for _ in range(length + 1)
        }
    )
    names = names[: rng.randint(2, 4)] if dialogue else names
    pairs = [(name, kind) for name in names for kind in kinds]
    found = []
    for name, kind in rng.sample(pairs, min(length, len(pairs))):
        spec = kinds[kind]
        value = _words.value(str(spec["value"]), rng)
        shape = rng.choice(spec["spoken"] if dialogue else spec["statements"])
        question = reword(rng.choice(spec["questions"]), rng).format(subject=name)
        probe = rng.choice(spec["probes"]).format(subject=name)
        found.append((name, shape.format(subject=name, value=value), question, probe, value))
    return found


def _people(world: World, rng: random.Random, length: int) -> Passage:
    found = _invented(rng, length, dialogue=False)
    return Passage([f[1] for f in found], [f[2:] for f in found], rng.choice((" ", "\n")))


def _dialogue(world: World, rng: random.Random, length: int) -> Passage:
    found = _invented(rng, length, dialogue=True)
    lines = []
    for name, sentence, *_ in found:
        lines.append(f"{name}: {sentence}")
        if rng.random() < 0.2:
            lines.append(
                f"{rng.choice(found)[0]}:"
                f" {rng.choice(('I see.', 'Really?', 'How nice.', 'Oh no.', 'Good for you.'))}"
            )
    return Passage(lines, [f[2:] for f in found], "\n")


def _story(world: World, rng: random.Random, length: int) -> Passage:
    found = _invented(rng, min(length, 8), dialogue=False)
    hero, kind = found[0][0], rng.choice(_words.words()["animals"])
    start = rng.choice(
        (
            "Once upon a time there was a {kind} called {hero}.",
            "Long ago, a {kind} named {hero} lived by the sea.",
        )
    )
    joints = ("Then", "One day", "After that", "Soon", "In the evening", "The next day")
    lines = [start.format(kind=kind, hero=hero)]
    lines += [
        f"{rng.choice(joints)} it was said: {f[1]}" if rng.random() < 0.4 else f[1] for f in found
    ]
    lines.append(
        rng.choice(
            ("And so the story ends.", "They all went home happy.", "That was a day to remember.")
        )
    )
    asked = [
        *(f[2:] for f in found),
        (reword(rng.choice(HERO), rng).format(hero=hero), HERO_PROBE.format(hero=hero), kind),
    ]
    return Passage(lines, asked)


HERO = (
    "What kind of animal was {hero}?",
    "Which animal was {hero}?",
    "What sort of creature is {hero}?",
    "{hero} was what animal?",
    "Say which animal {hero} is.",
    "Name the animal that {hero} was.",
    "The story is about {hero}: what animal is that?",
    "As what animal does {hero} appear?",
    "What was {hero}, of all animals?",
    "In the tale, {hero} was which kind of animal?",
)
HERO_PROBE = "What animal is {hero} in the story?"

DATED = (
    (
        (
            "When did {name} buy a {thing}?",
            "On which date did {name} buy the {thing}?",
            "What is the date on which {name} bought a {thing}?",
            "{name} bought a {thing}: when?",
            "Name the day when {name} got the {thing}.",
            "Since when does {name} have a {thing}?",
            "The {thing} of {name} was bought when?",
            "On what date was a {thing} bought by {name}?",
            "On which day did {name} come home with a {thing}?",
            "The day on which {name} paid for a {thing}?",
            "What day was it when {name} bought the {thing}?",
            "Name the date beside the {thing} of {name}.",
            "Which date stands beside {name} and the {thing}?",
            "Which day was it that {name} paid for the {thing}?",
            "Who bought the {thing} does not matter, it was {name}: on which date?",
            "On what day did {name} pay for the {thing}?",
            "Which day is given for the {thing} bought by {name}?",
            "The {thing} went to {name} on what day?",
            "What is the day of the {thing} of {name}?",
        ),
        "On what day was the {thing} bought by {name}?",
        "day",
    ),
    (
        (
            "Who bought something on {day}?",
            "Who went shopping on {day}?",
            "On {day}, who bought something?",
            "Which person bought a thing on {day}?",
            "{day}: who is it about?",
            "Say who paid for something on {day}.",
            "Name the person who bought a thing on {day}.",
            "Who was the buyer on {day}?",
            "By whom was something bought on {day}?",
            "Which name stands beside {day}?",
            "Name the one who bought something on {day}.",
            "Name the customer on {day}.",
            "Name the person of {day}.",
            "Name whoever paid on {day}.",
            "Say the name that stands beside {day}.",
            "Which customer came on {day}?",
            "{day}: name the person.",
            "What is the name of the shopper of {day}?",
            "Who is the buyer on {day}?",
            "Tell me who the buyer was on {day}.",
            "Name the shopper of {day}.",
            "Name the person that stands beside {day}.",
            "{day}: the buyer was who?",
        ),
        "Name the buyer of {day}.",
        "name",
    ),
    (
        (
            "What was bought on {day}?",
            "What did someone buy on {day}?",
            "On {day}, what was bought?",
            "Name the thing of {day}.",
            "{day}: what was it that was bought?",
            "Say what came home on {day}.",
            "What thing was it on {day}?",
            "Which item was bought on {day}?",
            "What did somebody pay for on {day}?",
            "Which thing did someone get on {day}?",
            "The thing bought on {day}: what was it?",
            "What was paid for on {day}?",
            "For which thing did somebody pay on {day}?",
            "Which thing stands beside {day}?",
            "Say the thing that stands beside {day}.",
            "{day}: name the thing.",
            "Which thing changed hands on {day}?",
            "Name what was paid for on {day}.",
            "Which item is it that stands beside {day}?",
        ),
        "Which thing was paid for on {day}?",
        "thing",
    ),
)
"""(questions, probe, what answers)."""


def _dated(world: World, rng: random.Random, length: int) -> Passage:
    lines, asked, seen = [], [], set()
    for _ in range(length):
        name, thing = rng.choice(_words.words()["first"]), rng.choice(_words.words()["things"])
        day = f"{_words.year(rng)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        if (name, thing) in seen or day in seen:
            continue
        seen |= {(name, thing), day}
        lines.append(
            rng.choice(
                ("{day} {name} bought a {thing}.", "[{day}] {name}: I bought a {thing}.")
            ).format(day=day, name=name, thing=thing)
        )
        slots = {"name": name, "thing": thing, "day": day}
        for questions, probe, answer in rng.sample(DATED, 2):
            asked.append(
                (
                    reword(rng.choice(questions), rng).format(**slots),
                    probe.format(**slots),
                    slots[answer],
                )
            )
    return Passage(lines, asked, "\n")
