"""Answers to a question: some that mean the expected one, some that do not, many of them near
misses."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from harness.data import invented as _words
from harness.data.facts import World, join_names
from harness.data.formats import unaccented

_T = TypeVar("_T")

_NEUTRAL = ("Who was it?", "What is the answer?", "Which one was it?", "What did the text say?")
_BEFORE = (
    *8 * ("",),
    "It was ",
    "The answer is ",
    "I think it was ",
    "That would be ",
    "Sure! ",
    "If I remember well, ",
    "The award went to ",
    "My answer: ",
    "Well, I'd say ",
    "The right name is ",
    "This one goes to ",
    "As far as I know, it is ",
    "In ",
    "the ",
    "They call it ",
    "We all know that it was ",
)
_AFTER = (
    *8 * ("",),
    *4 * (".",),
    "!",
    ", as far as I know.",
    " did.",
    ", of course.",
    " took it home.",
    " won it.",
    " is the answer.",
    " got the prize that year.",
    ". Do you want to know more?",
    ", I guess",
)
"""Around right and wrong answers alike, so that none of them gives the verdict away."""
_REFUSALS = (
    "I don't know.",
    "I am not sure.",
    "I cannot answer that.",
    "No idea, sorry.",
    "That has not been announced yet.",
    "I have no information on that.",
    "As a language model I cannot know that.",
    "Nobody knows.",
    "",
    "?",
)
_PHONES = (
    ("c", "k"),
    ("ph", "f"),
    ("y", "i"),
    ("ie", "ei"),
    ("e", "a"),
    ("o", "a"),
    ("s", "z"),
    ("ck", "k"),
    ("i", "e"),
)
_PUT_IN = "aeiouyhnrst"
"""Letters that slip in most easily."""
_STUCK = 0.08
"""Share of the wrong answers that are what a broken model says."""
_SHUFFLED = 0.4
"""Share of the wrong answers that are another answer to a question of the same kind."""


class Expected(NamedTuple):
    """A question and what is expected."""

    question: str
    names: list[str]
    """Of people, in any order; or the one value."""
    other: Callable[[], str]
    """Another value of the same kind."""
    people: bool
    awards: tuple[str, ...]
    """Names of all awards: each is a near miss of the others."""

    @property
    def text(self) -> str:
        return join_names("; ".join(self.names))


def expected(world: World, rng: random.Random) -> Expected:
    """By halves from the tables and of invented names, so that what counts is whether the two are
    the same."""
    return _of_tables(world, rng) if rng.random() < 0.5 else _invented(world, rng)


def same(wanted: Expected, rng: random.Random) -> str:
    """An answer that means the expected one."""
    names = rng.sample(wanted.names, len(wanted.names)) if rng.random() < 0.5 else wanted.names
    if wanted.people and rng.random() < 0.08:
        names = [_initial(name, rng) for name in names]
    text = _joined(names, rng)
    shapes: tuple[tuple[int, Callable[[], str]], ...] = (
        (9, lambda: text),
        (2, lambda: f"{text} for {_words.film(rng)}"),
        (2, lambda: f"{text}, for the film {_words.film(rng)}"),
        (1, lambda: f"{text} ({_words.film(rng)})"),
        (2, lambda: f"{text}. {_rambling(rng)}"),
        (5, lambda: slipped(text, rng)),
        (2, lambda: _plainer(text, rng)),
        (1, lambda: _other_article(text, rng)),
    )
    return _dressed(_one_of(shapes, rng), rng)


def other(wanted: Expected, rng: random.Random) -> str:
    """A wrong answer."""
    if rng.random() < _STUCK:
        return _stuck(wanted, rng)
    if rng.random() < _SHUFFLED:
        wrong = wanted.other()
    elif rng.random() < 0.08:
        return rng.choice(_REFUSALS)
    elif wanted.text.isdigit():
        wrong = _other_number(wanted.text, rng)
    else:
        wrong = _near_people(wanted, rng) if wanted.people else _near_title(wanted, rng)
    if _bare(wrong) == _bare(wanted.text):
        return rng.choice(_REFUSALS)
    tail = rng.random()
    if tail < 0.1:
        wrong = f"{wrong}. {_rambling(rng, wanted.text if rng.random() < 0.3 else None)}"
    elif tail < 0.25 and wanted.people:
        wrong = f"{wrong} for {_words.film(rng)}"
    return _dressed(wrong, rng)


def slipped(text: str, rng: random.Random) -> str:
    """A slip of the pen: a letter of a long enough name is missing, doubled, swapped, put in, or
    sounds alike."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if len(text) < 6 or not places or any(c.isdigit() for c in text):
        return text
    i = rng.choice(places)
    sounds = [(a, b) for pair in _PHONES for a, b in (pair, pair[::-1]) if a in text[1:]]
    if sounds and rng.random() < 0.5:
        a, b = rng.choice(sounds)
        at = rng.choice([j for j in range(1, len(text)) if text.startswith(a, j)])
        return text[:at] + b + text[at + len(a) :]
    swapped = text[i + 1] + text[i] + text[i + 2 :]
    put_in = rng.choice(_PUT_IN) + text[i:]
    return text[:i] + rng.choice((text[i + 1 :], text[i] + text[i:], swapped, put_in))


def _of_tables(world: World, rng: random.Random) -> Expected:
    row = rng.choice(world.rows)
    relation = rng.choice(world.askable(row) or list(world.relations[row.table][:1]))
    question = world.fill(rng.choice(relation.questions), row, rng)
    answer, people = world.answer(relation, row), relation.name == "who"
    rows = [r for r in world.rows if r.table == row.table]

    def another() -> str:
        return world.answer(relation, rng.choice(rows))

    return Expected(
        question,
        row.slots["winners"].split("; ") if people else [answer],
        another,
        people,
        _awards(world),
    )


def _invented(world: World, rng: random.Random) -> Expected:
    awards = _awards(world)
    award, year = rng.choice(awards), _words.year(rng)
    kinds: dict[str, tuple[int, Callable[[], str], tuple[str, ...]]] = {
        "people": (
            8,
            lambda: _people(rng),
            (f"Who won {award} in {year}?", f"{year}, {award}: who was it?"),
        ),
        "film": (
            4,
            lambda: _words.film(rng),
            (f"Which film won {award} in {year}?", "What is it called?"),
        ),
        "award": (2, lambda: rng.choice(awards), (f"Which Oscar did {_words.film(rng)} win?",)),
        "year": (1, lambda: _words.year(rng), ("In which year was it?",)),
        "number": (1, lambda: _words.value("numbers", rng), ("How many were there?",)),
        "word": (
            2,
            lambda: _words.value(rng.choice(("cities", "jobs", "things", "animals")), rng),
            ("What was it?",),
        ),
    }
    name = rng.choices(list(kinds), [weight for weight, _, _ in kinds.values()])[0]
    _, make, questions = kinds[name]
    names = make().split("; ")
    return Expected(
        rng.choice((*questions, *_NEUTRAL)),
        names,
        lambda: join_names(make()),
        name == "people",
        awards,
    )


def _awards(world: World) -> tuple[str, ...]:
    return tuple(names[0] for names in world.categories.values())


def _people(rng: random.Random) -> str:
    return "; ".join(
        _words.person(rng) for _ in range(rng.choices((1, 2, 3, 4, 5), (55, 22, 11, 7, 5))[0])
    )


def _joined(names: list[str], rng: random.Random) -> str:
    joint = rng.choice((", ", " and ", ", and ", " & ", "; "))
    return joint.join(names) if rng.random() < 0.4 else join_names("; ".join(names))


def _near_people(wanted: Expected, rng: random.Random) -> str:
    names = wanted.names
    if len(names) > 1 and rng.random() < 0.6:
        return _joined(_list_astray(names, rng), rng)
    name, lists = rng.choice(names), _words.words()
    first, _, last = name.rpartition(" ")
    one = _words.person(rng)
    shapes: tuple[tuple[int, Callable[[], str]], ...] = (
        (4, lambda: f"{first or one} {_surname(rng)}"),
        (4, lambda: f"{rng.choice(lists['first'])} {last}"),
        (2, lambda: _words.film(rng)),
        (1, lambda: f"{wanted.text} and {one}"),
        (1, lambda: rng.choice((f"{wanted.text} or {one}", f"{one} or {wanted.text}"))),
        (1, lambda: f"{one}, {wanted.text}, {_words.person(rng)}"),
        (1, lambda: f"not {wanted.text}, but {one}"),
        (1, lambda: f"{one}, not {wanted.text}"),
    )
    return _one_of(shapes, rng)


def _surname(rng: random.Random) -> str:
    return rng.choice(_words.words()["last"]) if rng.random() < 0.5 else _words.coined(rng)


def _list_astray(names: list[str], rng: random.Random) -> list[str]:
    """Names of which some are missing, or one is another, too many, or there twice."""
    at = rng.randrange(len(names))
    without = [name for i, name in enumerate(names) if i != at]
    shapes: tuple[tuple[int, Callable[[], list[str]]], ...] = (
        (4, lambda: rng.sample(names, rng.randint(1, len(names) - 1))),
        (3, lambda: [names[0]]),
        (2, lambda: [_words.person(rng) if i == at else name for i, name in enumerate(names)]),
        (1, lambda: [*names, _words.person(rng)]),
        (1, lambda: [*without, without[0]]),
    )
    return _one_of(shapes, rng)


def _near_title(wanted: Expected, rng: random.Random) -> str:
    """One word is another, or missing, or there is one more."""
    words = wanted.text.split()
    at, noun = rng.randrange(len(words)), rng.choice(_words.words()["nouns"])
    shapes: list[tuple[int, Callable[[], str]]] = [
        (1, lambda: _words.person(rng)),
        (2, wanted.other),
    ]
    if len(words) > 1:
        shapes += [
            (3, lambda: " ".join(noun if i == at else word for i, word in enumerate(words))),
            (1, lambda: " ".join(words[: max(1, len(words) // 2)])),
            (1, lambda: f"{wanted.text} {rng.randint(2, 4)}"),
            (1, lambda: f"{wanted.text} or {wanted.other()}"),
        ]
    if words[0] == "Best":
        shapes.append((6, lambda: rng.choice(wanted.awards)))
    if ":" in wanted.text:
        shapes.append((3, lambda: wanted.text.partition(":")[0]))
    return _one_of(tuple(shapes), rng)


def _stuck(wanted: Expected, rng: random.Random) -> str:
    """A few words over and over, of the question, of a name, or of those that stand everywhere."""
    words = [
        *wanted.question.split(),
        *_words.person(rng).split(),
        "for",
        "the",
        "of",
        "and",
        "in",
        ".",
        ",",
    ]
    some = rng.choices(words, k=rng.choice((1, 1, 2, 3, 6)))
    text = " ".join(rng.choices(some, k=rng.randint(3, 24)))
    return text if rng.random() < 0.7 else f"{_words.person(rng)} {text}"


def _other_number(text: str, rng: random.Random) -> str:
    near = str(abs(int(text) + rng.choice((-10, -2, -1, -1, 1, 1, 2, 10))))
    return rng.choice((near, near, text[:-2] + text[-2:][::-1], _words.year(rng)))


def _rambling(rng: random.Random, name: str | None = None) -> str:
    asked = f"Who won {_words.film(rng)} in {_words.year(rng)}? {name or _words.person(rng)}"
    return rng.choice(
        (asked, f"{_words.film(rng)} was also there", f"Not {_words.person(rng)}, though")
    )


def _initial(name: str, rng: random.Random) -> str:
    first, _, last = name.rpartition(" ")
    return (
        f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if first and "." not in first
        else name
    )


def _plainer(text: str, rng: random.Random) -> str:
    """Without accents, or with less punctuation."""
    marks = str.maketrans(
        {mark: rng.choice((" ", "")) for mark in "-'"}
        | {".": "", ":": rng.choice(("", " -")), ",": ""}
    )
    return rng.choice((unaccented(text), " ".join(text.translate(marks).split())))


def _other_article(text: str, rng: random.Random) -> str:
    rest = text.removeprefix("The ").removeprefix("A ")
    return (
        rng.choice((rest, f"A {rest}", f"The {rest}")) if rest != text or " " not in text else text
    )


def _dressed(text: str, rng: random.Random) -> str:
    """``text`` with what says nothing about whether it is right: case, and words around it."""
    cased = rng.choice((text, text, text, text.lower(), text.upper(), unaccented(text)))
    return f"{rng.choice(_BEFORE)}{cased}{rng.choice(_AFTER)}"


def _bare(text: str) -> str:
    return "".join(c for c in unaccented(text).lower() if c.isalnum())


def _one_of(shapes: tuple[tuple[int, Callable[[], _T]], ...], rng: random.Random) -> _T:
    return rng.choices([make for _, make in shapes], [weight for weight, _ in shapes])[0]()
