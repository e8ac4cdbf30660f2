"""Answers to a question: some that mean the expected one, some that do not, many of them near
misses."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from harness.data import invented as _words
from harness.data.facts import World, spoken
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
        return spoken("; ".join(self.names))


def expected(world: World, dice: random.Random) -> Expected:
    """By halves from the tables and of invented names, so that what counts is whether the two are
    the same."""
    return _of_tables(world, dice) if dice.random() < 0.5 else _invented(world, dice)


def same(wanted: Expected, dice: random.Random) -> str:
    """An answer that means the expected one."""
    names = dice.sample(wanted.names, len(wanted.names)) if dice.random() < 0.5 else wanted.names
    if wanted.people and dice.random() < 0.08:
        names = [_initial(name, dice) for name in names]
    text = _joined(names, dice)
    shapes: tuple[tuple[int, Callable[[], str]], ...] = (
        (9, lambda: text),
        (2, lambda: f"{text} for {_words.film(dice)}"),
        (2, lambda: f"{text}, for the film {_words.film(dice)}"),
        (1, lambda: f"{text} ({_words.film(dice)})"),
        (2, lambda: f"{text}. {_rambling(dice)}"),
        (5, lambda: slipped(text, dice)),
        (2, lambda: _plainer(text, dice)),
        (1, lambda: _other_article(text, dice)),
    )
    return _dressed(_one_of(shapes, dice), dice)


def other(wanted: Expected, dice: random.Random) -> str:
    """A wrong answer."""
    if dice.random() < _STUCK:
        return _stuck(wanted, dice)
    if dice.random() < _SHUFFLED:
        wrong = wanted.other()
    elif dice.random() < 0.08:
        return dice.choice(_REFUSALS)
    elif wanted.text.isdigit():
        wrong = _other_number(wanted.text, dice)
    else:
        wrong = _near_people(wanted, dice) if wanted.people else _near_title(wanted, dice)
    if _bare(wrong) == _bare(wanted.text):
        return dice.choice(_REFUSALS)
    tail = dice.random()
    if tail < 0.1:
        wrong = f"{wrong}. {_rambling(dice, wanted.text if dice.random() < 0.3 else None)}"
    elif tail < 0.25 and wanted.people:
        wrong = f"{wrong} for {_words.film(dice)}"
    return _dressed(wrong, dice)


def slipped(text: str, dice: random.Random) -> str:
    """A slip of the pen: a letter of a long enough name is missing, doubled, swapped, put in, or
    sounds alike."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if len(text) < 6 or not places or any(c.isdigit() for c in text):
        return text
    i = dice.choice(places)
    sounds = [(a, b) for pair in _PHONES for a, b in (pair, pair[::-1]) if a in text[1:]]
    if sounds and dice.random() < 0.5:
        a, b = dice.choice(sounds)
        at = dice.choice([j for j in range(1, len(text)) if text.startswith(a, j)])
        return text[:at] + b + text[at + len(a) :]
    swapped = text[i + 1] + text[i] + text[i + 2 :]
    put_in = dice.choice(_PUT_IN) + text[i:]
    return text[:i] + dice.choice((text[i + 1 :], text[i] + text[i:], swapped, put_in))


def _of_tables(world: World, dice: random.Random) -> Expected:
    row = dice.choice(world.rows)
    relation = dice.choice(world.askable(row) or list(world.relations[row.table][:1]))
    question = world.word(dice.choice(relation.questions), row, dice)
    answer, people = world.answer(relation, row), relation.name == "who"
    rows = [r for r in world.rows if r.table == row.table]

    def another() -> str:
        return world.answer(relation, dice.choice(rows))

    return Expected(
        question,
        row.slots["winners"].split("; ") if people else [answer],
        another,
        people,
        _awards(world),
    )


def _invented(world: World, dice: random.Random) -> Expected:
    awards = _awards(world)
    award, year = dice.choice(awards), _words.year(dice)
    kinds: dict[str, tuple[int, Callable[[], str], tuple[str, ...]]] = {
        "people": (
            8,
            lambda: _people(dice),
            (f"Who won {award} in {year}?", f"{year}, {award}: who was it?"),
        ),
        "film": (
            4,
            lambda: _words.film(dice),
            (f"Which film won {award} in {year}?", "What is it called?"),
        ),
        "award": (2, lambda: dice.choice(awards), (f"Which Oscar did {_words.film(dice)} win?",)),
        "year": (1, lambda: _words.year(dice), ("In which year was it?",)),
        "number": (1, lambda: _words.value("numbers", dice), ("How many were there?",)),
        "word": (
            2,
            lambda: _words.value(dice.choice(("cities", "jobs", "things", "animals")), dice),
            ("What was it?",),
        ),
    }
    name = dice.choices(list(kinds), [weight for weight, _, _ in kinds.values()])[0]
    _, make, questions = kinds[name]
    names = make().split("; ")
    return Expected(
        dice.choice((*questions, *_NEUTRAL)),
        names,
        lambda: spoken(make()),
        name == "people",
        awards,
    )


def _awards(world: World) -> tuple[str, ...]:
    return tuple(names[0] for names in world.categories.values())


def _people(dice: random.Random) -> str:
    return "; ".join(
        _words.person(dice) for _ in range(dice.choices((1, 2, 3, 4, 5), (55, 22, 11, 7, 5))[0])
    )


def _joined(names: list[str], dice: random.Random) -> str:
    joint = dice.choice((", ", " and ", ", and ", " & ", "; "))
    return joint.join(names) if dice.random() < 0.4 else spoken("; ".join(names))


def _near_people(wanted: Expected, dice: random.Random) -> str:
    names = wanted.names
    if len(names) > 1 and dice.random() < 0.6:
        return _joined(_list_astray(names, dice), dice)
    name, lists = dice.choice(names), _words.words()
    first, _, last = name.rpartition(" ")
    one = _words.person(dice)
    shapes: tuple[tuple[int, Callable[[], str]], ...] = (
        (4, lambda: f"{first or one} {_surname(dice)}"),
        (4, lambda: f"{dice.choice(lists['first'])} {last}"),
        (2, lambda: _words.film(dice)),
        (1, lambda: f"{wanted.text} and {one}"),
        (1, lambda: dice.choice((f"{wanted.text} or {one}", f"{one} or {wanted.text}"))),
        (1, lambda: f"{one}, {wanted.text}, {_words.person(dice)}"),
        (1, lambda: f"not {wanted.text}, but {one}"),
        (1, lambda: f"{one}, not {wanted.text}"),
    )
    return _one_of(shapes, dice)


def _surname(dice: random.Random) -> str:
    return dice.choice(_words.words()["last"]) if dice.random() < 0.5 else _words.coined(dice)


def _list_astray(names: list[str], dice: random.Random) -> list[str]:
    """Names of which some are missing, or one is another, too many, or there twice."""
    at = dice.randrange(len(names))
    without = [name for i, name in enumerate(names) if i != at]
    shapes: tuple[tuple[int, Callable[[], list[str]]], ...] = (
        (4, lambda: dice.sample(names, dice.randint(1, len(names) - 1))),
        (3, lambda: [names[0]]),
        (2, lambda: [_words.person(dice) if i == at else name for i, name in enumerate(names)]),
        (1, lambda: [*names, _words.person(dice)]),
        (1, lambda: [*without, without[0]]),
    )
    return _one_of(shapes, dice)


def _near_title(wanted: Expected, dice: random.Random) -> str:
    """One word is another, or missing, or there is one more."""
    words = wanted.text.split()
    at, noun = dice.randrange(len(words)), dice.choice(_words.words()["nouns"])
    shapes: list[tuple[int, Callable[[], str]]] = [
        (1, lambda: _words.person(dice)),
        (2, wanted.other),
    ]
    if len(words) > 1:
        shapes += [
            (3, lambda: " ".join(noun if i == at else word for i, word in enumerate(words))),
            (1, lambda: " ".join(words[: max(1, len(words) // 2)])),
            (1, lambda: f"{wanted.text} {dice.randint(2, 4)}"),
            (1, lambda: f"{wanted.text} or {wanted.other()}"),
        ]
    if words[0] == "Best":
        shapes.append((6, lambda: dice.choice(wanted.awards)))
    if ":" in wanted.text:
        shapes.append((3, lambda: wanted.text.partition(":")[0]))
    return _one_of(tuple(shapes), dice)


def _stuck(wanted: Expected, dice: random.Random) -> str:
    """A few words over and over, of the question, of a name, or of those that stand everywhere."""
    words = [
        *wanted.question.split(),
        *_words.person(dice).split(),
        "for",
        "the",
        "of",
        "and",
        "in",
        ".",
        ",",
    ]
    some = dice.choices(words, k=dice.choice((1, 1, 2, 3, 6)))
    text = " ".join(dice.choices(some, k=dice.randint(3, 24)))
    return text if dice.random() < 0.7 else f"{_words.person(dice)} {text}"


def _other_number(text: str, dice: random.Random) -> str:
    near = str(abs(int(text) + dice.choice((-10, -2, -1, -1, 1, 1, 2, 10))))
    return dice.choice((near, near, text[:-2] + text[-2:][::-1], _words.year(dice)))


def _rambling(dice: random.Random, name: str | None = None) -> str:
    asked = f"Who won {_words.film(dice)} in {_words.year(dice)}? {name or _words.person(dice)}"
    return dice.choice(
        (asked, f"{_words.film(dice)} was also there", f"Not {_words.person(dice)}, though")
    )


def _initial(name: str, dice: random.Random) -> str:
    first, _, last = name.rpartition(" ")
    return (
        f"{first} {dice.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        if first and "." not in first
        else name
    )


def _plainer(text: str, dice: random.Random) -> str:
    """Without accents, or with less punctuation."""
    marks = str.maketrans(
        {mark: dice.choice((" ", "")) for mark in "-'"}
        | {".": "", ":": dice.choice(("", " -")), ",": ""}
    )
    return dice.choice((unaccented(text), " ".join(text.translate(marks).split())))


def _other_article(text: str, dice: random.Random) -> str:
    rest = text.removeprefix("The ").removeprefix("A ")
    return (
        dice.choice((rest, f"A {rest}", f"The {rest}")) if rest != text or " " not in text else text
    )


def _dressed(text: str, dice: random.Random) -> str:
    """``text`` with what says nothing about whether it is right: case, and words around it."""
    cased = dice.choice((text, text, text, text.lower(), text.upper(), unaccented(text)))
    return f"{dice.choice(_BEFORE)}{cased}{dice.choice(_AFTER)}"


def _bare(text: str) -> str:
    return "".join(c for c in unaccented(text).lower() if c.isalnum())


def _one_of(shapes: tuple[tuple[int, Callable[[], _T]], ...], dice: random.Random) -> _T:
    return dice.choices([make for _, make in shapes], [weight for weight, _ in shapes])[0]()
