"""Text that teaches the shipped model to write about a passage: questions, and the same again.

A passage is followed by a cue of ``harness.data.writing``, and by what is to be written. Names and
values are drawn anew for each passage. Questions are in wordings for training; none is a probe.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from harness.data import invented
from harness.data.facts import Relation, Row, World
from harness.data.writing import QUESTIONS, REWRITE, Pair, written
from harness.pocket._reading import DATED, HERO
from harness.recipes import Dataset, Sample

_REWRITES = 0.2
"""Share of the texts that say a passage in other words."""
_MOST_PAIRS = 14
"""More would make a text too long for one window."""
KINDS = ("people", "dialogue", "story", "dated", "awards", "tables")
_WEIGHTS = (6, 6, 2, 3, 3, 1)
_SHORT_WEIGHTS = (5, 5, 2, 3, 5, 4)
"""Lines on awards and from the tables are harder to tell apart."""
_OF_ROW = 3
"""Relations that are asked about one row of a table."""


class Asked(NamedTuple):
    """What can be asked about one line of a passage."""

    templates: tuple[str, ...]
    slots: tuple[dict[str, str], ...]
    """The values of the slots; several where a name has several spellings."""
    answer: str

    def drawn(self, rng: random.Random) -> Pair:
        """The question in a random wording, with its answer."""
        return Pair(_filled(rng.choice(self.templates), rng.choice(self.slots)), self.answer)

    def all(self) -> Iterator[Pair]:
        """The question in every wording."""
        for template, slots in product(self.templates, self.slots):
            yield Pair(_filled(template, slots), self.answer)


class Line(NamedTuple):
    """One line of a passage."""

    text: str
    others: tuple[str, ...] = ()
    """The same in other words; none where the line is not repeated."""
    asked: tuple[Asked, ...] = ()
    """What the training text asks; nothing where the line states no fact."""
    askable: tuple[Asked, ...] = ()
    """What else it could ask."""


class Written(NamedTuple):
    """A passage, line by line."""

    lines: tuple[Line, ...]
    joint: str
    """Stands between the lines."""
    kind: str = ""
    """One of ``KINDS``."""

    @property
    def text(self) -> str:
        """The whole passage."""
        return self.joint.join(line.text for line in self.lines)

    @property
    def asked(self) -> list[Asked]:
        """What can be asked, in the order of the lines."""
        return [asked for line in self.lines for asked in line.asked]


def samples(world: World, count: int, seed: int, short: bool = False) -> Dataset:
    """``count`` training texts; the same ``seed`` gives the same ones.

    ``short``: of one to four lines, as many as the writer is given at once.
    """
    rng = random.Random(f"writer {seed}")
    return Dataset.of("writer", tuple(_sample(world, rng, short) for _ in range(count)))


def held_out(world: World, count: int, seed: int = 1) -> list[Written]:
    """``count`` short passages that are in no training text, each with a fact in it."""
    rng = random.Random(f"writer, held out {seed}")
    made = (passage(world, rng, short=True) for _ in range(2 * count))
    return [each for each in made if each.asked][:count]


def passage(world: World, rng: random.Random, short: bool = False) -> Written:
    """A passage of one to eight lines; ``short``: to four."""
    kind = rng.choices(KINDS, _SHORT_WEIGHTS if short else _WEIGHTS)[0]
    length = rng.choice((1, 1, 2, 2, 3, 4) if short else (1, 2, 3, 4, 5, 6, 8))
    if kind in ("awards", "tables"):
        return _rows(world, rng, min(length, 4), kind == "tables")._replace(kind=kind)
    makers: dict[str, Callable[[random.Random, int], Written]] = {
        "people": _people,
        "dialogue": _dialogue,
        "story": _story,
        "dated": _dated,
    }
    made = makers[kind](rng, min(length, 4) if kind == "dated" else length)
    return made._replace(kind=kind)


def _sample(world: World, rng: random.Random, short: bool) -> Sample:
    source = passage(world, rng, short)
    others = [rng.choice(line.others) for line in source.lines if line.others]
    if others and rng.random() < _REWRITES:
        return Sample(" ".join(others) + "\n\n", REWRITE.format(text=source.text))
    pairs = [asked.drawn(rng) for asked in source.asked][:_MOST_PAIRS]
    return Sample(written(pairs), QUESTIONS.format(text=source.text))


def _filled(template: str, slots: dict[str, str]) -> str:
    text = template.format(**slots)
    return text[:1].upper() + text[1:]


def _facts(
    rng: random.Random, length: int, names: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, statement, value) of different things about ``names``."""
    kinds = invented.reading()
    pairs = [(name, kind) for name in names for kind in kinds]
    for name, kind in rng.sample(pairs, min(length, len(pairs))):
        value = invented.value(str(kinds[kind]["value"]), rng)
        yield name, kind, rng.choice(kinds[kind]["statements"]), value


def _names(rng: random.Random, count: int) -> list[str]:
    """``count`` people: all by their first names, or by both."""
    first_names = invented.words()["first"]
    short = rng.random() < 0.4
    drawn = (rng.choice(first_names) if short else invented.person(rng) for _ in range(count))
    return list(dict.fromkeys(drawn))


def _of_person(name: str, kind: str, value: str) -> Asked:
    return Asked(tuple(invented.reading()[kind]["questions"]), ({"subject": name},), value)


def _stated(name: str, kind: str, value: str, without: str = "") -> tuple[str, ...]:
    statements = invented.reading()[kind]["statements"]
    return tuple(s.format(subject=name, value=value) for s in statements if s != without)


def _people(rng: random.Random, length: int) -> Written:
    """Statements about people."""
    names = _names(rng, rng.randint(1, length))
    lines = (
        Line(
            template.format(subject=name, value=value),
            _stated(name, kind, value, template),
            (_of_person(name, kind, value),),
        )
        for name, kind, template, value in _facts(rng, length, names)
    )
    return Written(tuple(lines), rng.choice((" ", " ", "\n")))


def _dialogue(rng: random.Random, length: int) -> Written:
    """People who talk about themselves, with small talk, and at times with marks of time."""
    lists = invented.words()
    drawn = [rng.choice(("User", *lists["first"])) for _ in range(rng.randint(2, 3))]
    names = list(dict.fromkeys(drawn))
    marked = rng.random() < 0.4
    talk = rng.choice((0.0, 0.0, 0.3, 0.3, 0.7, 1.0))
    lines: list[Line] = []
    for name, kind, _, value in _facts(rng, length, names):
        mark = f"[{_mark(rng)}] " if marked else ""
        if rng.random() < talk:
            talked = rng.choice(lists["chatter"])
            lines.append(Line(f"{mark}{rng.choice(names)}: {talked[0]}"))
            lines.append(Line(f"{mark}{rng.choice(names)}: {talked[1]}"))
        elif rng.random() < 0.2:
            lines.append(Line(f"{mark}{rng.choice(names)}: {rng.choice(_REPLIES)}"))
        if talk < 1:
            spoken = rng.choice(invented.reading()[kind]["spoken"]).format(value=value)
            before = rng.choice(_OPENINGS) if rng.random() < 0.3 else ""
            if before and spoken.startswith("My "):
                spoken = f"m{spoken[1:]}"
            lines.append(
                Line(
                    f"{mark}{name}: {before}{spoken}",
                    _stated(name, kind, value),
                    (_of_person(name, kind, value),),
                )
            )
    return Written(tuple(lines[: 2 * length]), "\n")


_REPLIES = ("I see.", "Really?", "How nice.", "Oh no.", "Good for you.")
_OPENINGS = ("By the way, ", "You know, ", "Well, ", "As I said, ", "Guess what: ", "Hm. ")


def _mark(rng: random.Random) -> str:
    """When something was said: a date, or how long ago."""
    part = rng.choice(("morning", "afternoon", "evening", "night"))
    count = rng.randint(2, 30)
    unit = rng.choice(("minutes", "hours", "days", "weeks", "months"))
    day = _day(rng)
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    return rng.choice(
        (f"{count} {unit} ago", f"{count} {unit} ago, {part}", day, f"{day} {clock}",
         f"{day}, {part}", "yesterday", f"today, {part}")
    )  # fmt: skip


def _day(rng: random.Random) -> str:
    return f"{invented.year(rng)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _story(rng: random.Random, length: int) -> Written:
    """A story about an animal, with statements about people in it."""
    body = _people(rng, min(length, 6)).lines
    hero = rng.choice(invented.words()["first"])
    kind = rng.choice(invented.words()["animals"])
    start = rng.choice(
        (
            "Once upon a time there was a {kind} called {hero}.",
            "Long ago, a {kind} named {hero} lived by the sea.",
        )
    ).format(kind=kind, hero=hero)
    joints = ("Then", "One day", "After that", "Soon", "In the evening", "The next day")
    told = [
        line._replace(text=f"{rng.choice(joints)} it was said: {line.text}")
        if rng.random() < 0.4
        else line
        for line in body
    ]
    end = rng.choice(
        ("And so the story ends.", "They all went home happy.", "That was a day to remember.")
    )
    first = Line(start, (f"{hero} was a {kind}.",), (Asked(HERO, ({"hero": hero},), kind),))
    return Written((first, *told, Line(end)), " ")


def _dated(rng: random.Random, length: int) -> Written:
    """Lines with a date, a name and a thing; no two share the date, or both others."""
    lines: list[Line] = []
    seen: set[str | tuple[str, str]] = set()
    templates = ("{day} {name} bought a {thing}.", "[{day}] {name}: I bought a {thing}.")
    for _ in range(length):
        name = rng.choice(invented.words()["first"])
        slots = {"name": name, "thing": rng.choice(invented.words()["things"]), "day": _day(rng)}
        if slots["day"] in seen or (name, slots["thing"]) in seen:
            continue
        seen |= {slots["day"], (name, slots["thing"])}
        asked = tuple(Asked(wordings, (slots,), slots[answer]) for wordings, _, answer in DATED)
        other = "On {day}, {name} bought a {thing}.".format(**slots)
        lines.append(Line(rng.choice(templates).format(**slots), (other,), asked))
    return Written(tuple(lines), "\n")


def _rows(world: World, rng: random.Random, length: int, known: bool) -> Written:
    """Invented awards; ``known``: rows of the tables with values of other rows."""
    rows = list(_false_rows(world, rng, length) if known else _awards(world, rng, length))
    return Written(tuple(_line(world, row, rng) for row in rows), rng.choice((" ", "\n")))


def _awards(world: World, rng: random.Random, length: int) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for _ in range(length):
        category, year = rng.choice(list(world.categories)), str(rng.randint(1990, 2030))
        if (category, year) not in seen:
            seen.add((category, year))
            winner, film = invented.people(rng), invented.film(rng)
            slots = {"year": year, "category": category, "winner": winner, "film": film}
            yield Row("", "oscars", slots)


def _false_rows(world: World, rng: random.Random, length: int) -> Iterator[Row]:
    for row in rng.sample([r for r in world.rows if r.table != "oscars"], length):
        other = rng.choice([r for r in world.rows if r.table == row.table])
        key = next(iter(row.slots))
        yield Row("", row.table, {**other.slots, key: row.slots[key]})


def _line(world: World, row: Row, rng: random.Random) -> Line:
    fitting = [r for r in world.relations[row.table] if world.fits(r, row)]
    stated = rng.choice([r for r in fitting if r.statements])
    templates = rng.sample(stated.statements, min(4, len(stated.statements)))
    text, *others = [world.fill(template, row, rng).replace("|", "") for template in templates]
    asked = several = [stated]
    # these statements name all four slots of an award, so they answer all its questions
    if stated.name in ("who", "award") and row.table == "oscars":
        several = [r for r in fitting if r.questions]
        asked = rng.sample(several, min(_OF_ROW, len(several)))
    rest = [relation for relation in several if relation not in asked]
    first, more = (tuple(_of_row(world, row, each) for each in which) for which in (asked, rest))
    return Line(text, tuple(others), first, more)


def _of_row(world: World, row: Row, relation: Relation) -> Asked:
    slots = dict(row.slots)
    if "category" not in slots:
        return Asked(relation.questions, (slots,), world.answer(relation, row))
    names = world.categories[slots["category"]]
    named = [
        {**slots, "category": name, "category0": names[0], "event": event.format(**slots)}
        for name in names
        for event in world.events
    ]
    return Asked(relation.questions, tuple(named), world.answer(relation, row))
