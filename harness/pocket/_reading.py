"""Training documents for reading: a passage of invented facts with questions about it."""

from __future__ import annotations

import random
from typing import NamedTuple

from harness.data import invented
from harness.data.facts import Relation, Row, World
from harness.data.formats import ask
from harness.data.rewording import reword
from harness.pocket._parts import Document, Segment, any_format, turns

_Question = tuple[str, str, str]
"""Question for training, question for tests, answer."""
_TRAINING_WEIGHTS = (6, 1, 1, 3, 6, 4)
"""Weights of the kinds of passages in training.

Two keys decide an award (year and category) or a dated line (name and thing). They are harder, so
they are more frequent.
"""


class Passage(NamedTuple):
    """A text of several facts."""

    lines: list[str]
    questions: list[_Question]
    joint: str = " "
    """Joins the lines."""

    @property
    def text(self) -> str:
        """The whole text."""
        return self.joint.join(self.lines)


def passage(
    world: World, rng: random.Random, length: int, weights: tuple[int, ...] = (4, 3, 2, 2, 2, 3)
) -> Passage:
    """About ``length`` invented facts.

    ``weights`` are those of awards, people, dialogue, story, dates and false facts.
    """
    kinds = (_awards, _people, _dialogue, _story, _dated, _false)
    return rng.choices(kinds, weights)[0](world, rng, length)


def document(world: World, rng: random.Random, long: bool = False) -> Document:
    """A passage of up to 12 facts (``long``: 60) with questions; only the answers are trained."""
    longest = 60 if long else rng.choice((4, 8, 12, 12))
    source = passage(world, rng, rng.randint(12 if long else 1, longest), _TRAINING_WEIGHTS)
    count = min(len(source.questions), rng.randint(2, 25 if long else 10))
    questions = rng.sample(source.questions, count)
    opening = rng.choice(("", "", "Text: ", "Passage:\n", "Context:\n"))
    text = opening + source.text + rng.choice(("\n", "\n\n"))
    return [Segment(text, False), *turns([(q, a) for q, _, a in questions], rng)]


def probe(world: World, rng: random.Random) -> tuple[str, str]:
    """(prompt, answer): a passage with one question in a wording that no training text has."""
    source = passage(world, rng, rng.randint(3, 10))
    _, question, answer = rng.choice(source.questions)
    return f"{source.text}\n\n{ask(any_format(rng), question)}", answer


def _awards(world: World, rng: random.Random, length: int) -> Passage:
    """Invented winners of awards."""
    lines: list[str] = []
    questions: list[_Question] = []
    seen: set[tuple[str, str]] = set()
    for _ in range(length):
        category, year = rng.choice(list(world.categories)), str(rng.randint(1990, 2030))
        if (category, year) in seen:
            continue
        seen.add((category, year))
        slots = {
            "year": year,
            "category": category,
            "winner": invented.people(rng),
            "film": invented.film(rng),
        }
        _add(world, Row("", "oscars", slots), rng, lines, questions)
    return Passage(lines, questions, rng.choice((" ", "\n")))


def _false(world: World, rng: random.Random, length: int) -> Passage:
    """Rows of the tables with values of other rows, so that the passage decides, not the memory."""
    rows = rng.sample(world.rows, min(length, 40))
    lines: list[str] = []
    questions: list[_Question] = []
    seen: set[str] = set()
    for row in rows:
        others = [r for r in rng.sample(world.rows, 60) if r.table == row.table]
        keys = ("year", "category") if row.table == "oscars" else (next(iter(row.slots)),)
        if others and row.id not in seen:
            seen.add(row.id)
            mixed = {
                name: row.slots[name] if name in keys else other
                for name, other in rng.choice(others).slots.items()
            }
            _add(world, Row("", row.table, mixed), rng, lines, questions)
    if not questions:
        return _awards(world, rng, length)
    return Passage(lines, questions, rng.choice((" ", "\n")))


def _add(
    world: World, row: Row, rng: random.Random, lines: list[str], questions: list[_Question]
) -> None:
    """Add one statement about ``row`` to ``lines``, and questions about it."""
    relations = [r for r in world.relations[row.table] if r.statements and world.fits(r, row)]
    stated = rng.choice(relations)
    lines.append(world.fill(rng.choice(stated.statements), row, rng).replace("|", ""))
    answerable: list[Relation] = [stated]
    # These statements name all four slots of an award, so they answer all its questions.
    if stated.name in ("who", "award") and row.table == "oscars":
        answerable = [r for r in world.relations["oscars"] if world.fits(r, row) and r.questions]
    for relation in rng.sample(answerable, min(len(answerable), 2)):
        wording = reword(rng.choice(relation.questions), rng)
        probe = rng.choice(relation.probes)
        question = world.fill(wording, row, rng)
        questions.append((question, world.fill(probe, row, rng), world.answer(relation, row)))


def _invented(
    rng: random.Random, length: int, dialogue: bool
) -> list[tuple[str, str, str, str, str]]:
    """(speaker, sentence, question, probe, answer) of different things about some people."""
    kinds = invented.reading()
    single = rng.random() < 0.5 or dialogue
    drawn = {
        rng.choice(invented.words()["first"]) if single else invented.person(rng)
        for _ in range(length + 1)
    }
    names = sorted(drawn)  # the order of a set changes from run to run
    names = names[: rng.randint(2, 4)] if dialogue else names
    pairs = [(name, kind) for name in names for kind in kinds]
    facts = []
    for name, kind in rng.sample(pairs, min(length, len(pairs))):
        spec = kinds[kind]
        value = invented.value(str(spec["value"]), rng)
        template = rng.choice(spec["spoken"] if dialogue else spec["statements"])
        sentence = template.format(subject=name, value=value)
        question = reword(rng.choice(spec["questions"]), rng).format(subject=name)
        probe = rng.choice(spec["probes"]).format(subject=name)
        facts.append((name, sentence, question, probe, value))
    return facts


def _people(world: World, rng: random.Random, length: int) -> Passage:
    """Statements about people."""
    facts = _invented(rng, length, dialogue=False)
    lines = [sentence for _, sentence, *_ in facts]
    return Passage(lines, [fact[2:] for fact in facts], rng.choice((" ", "\n")))


def _dialogue(world: World, rng: random.Random, length: int) -> Passage:
    """People who talk about themselves, one line each."""
    facts = _invented(rng, length, dialogue=True)
    replies = ("I see.", "Really?", "How nice.", "Oh no.", "Good for you.")
    lines = []
    for name, sentence, *_ in facts:
        lines.append(f"{name}: {sentence}")
        if rng.random() < 0.2:
            lines.append(f"{rng.choice(facts)[0]}: {rng.choice(replies)}")
    return Passage(lines, [fact[2:] for fact in facts], "\n")


def _story(world: World, rng: random.Random, length: int) -> Passage:
    """A story about an animal, with statements about people in it."""
    facts = _invented(rng, min(length, 8), dialogue=False)
    hero = facts[0][0]
    kind = rng.choice(invented.words()["animals"])
    start = rng.choice(
        (
            "Once upon a time there was a {kind} called {hero}.",
            "Long ago, a {kind} named {hero} lived by the sea.",
        )
    )
    joints = ("Then", "One day", "After that", "Soon", "In the evening", "The next day")
    lines = [start.format(kind=kind, hero=hero)]
    for _, sentence, *_ in facts:
        quoted = rng.random() < 0.4
        lines.append(f"{rng.choice(joints)} it was said: {sentence}" if quoted else sentence)
    ends = ("And so the story ends.", "They all went home happy.", "That was a day to remember.")
    lines.append(rng.choice(ends))
    question = reword(rng.choice(HERO), rng).format(hero=hero)
    questions = [fact[2:] for fact in facts]
    return Passage(lines, [*questions, (question, HERO_PROBE.format(hero=hero), kind)])


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
"""Questions, a probe, and the slot that answers them."""


def _dated(world: World, rng: random.Random, length: int) -> Passage:
    """Lines with a date, a name and a thing; no two have the same date, or both other slots."""
    lines: list[str] = []
    questions: list[_Question] = []
    seen: set[str | tuple[str, str]] = set()
    for _ in range(length):
        name = rng.choice(invented.words()["first"])
        thing = rng.choice(invented.words()["things"])
        day = f"{invented.year(rng)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        if (name, thing) in seen or day in seen:
            continue
        seen |= {(name, thing), day}
        slots = {"name": name, "thing": thing, "day": day}
        templates = ("{day} {name} bought a {thing}.", "[{day}] {name}: I bought a {thing}.")
        lines.append(rng.choice(templates).format(**slots))
        for wordings, probe, answer in rng.sample(DATED, 2):
            question = reword(rng.choice(wordings), rng).format(**slots)
            questions.append((question, probe.format(**slots), slots[answer]))
    return Passage(lines, questions, "\n")
