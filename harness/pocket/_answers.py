"""Right and wrong answers to a question, for judging; many wrong ones are nearly right."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from harness.data import invented
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
"""Words around right and wrong answers alike, so that they do not give the verdict away."""
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
"""Letters that sound alike."""
_INSERTED = "aeiouyhnrst"
"""Letters that are often inserted by mistake."""
_STUCK = 0.08
"""Share of the wrong answers that repeat a few words, as a broken model does."""
_SAME_KIND = 0.4
"""Share of the wrong answers that answer another question of the same kind."""


class Expected(NamedTuple):
    """A question with its expected answer."""

    question: str
    names: list[str]
    """The names of people, in any order, or a single value."""
    other: Callable[[], str]
    """Makes another value of the same kind."""
    people: bool
    """Whether the answer is people."""
    awards: tuple[str, ...]
    """Names of all awards; each is a near miss of the others."""

    @property
    def text(self) -> str:
        """The expected answer."""
        return join_names("; ".join(self.names))


def expected(world: World, rng: random.Random) -> Expected:
    """A question from the fact tables or with invented names, with equal probability.

    A judge must compare two answers. With known facts alone, it could learn the answers instead.
    """
    return _of_tables(world, rng) if rng.random() < 0.5 else _invented(world, rng)


def same(target: Expected, rng: random.Random) -> str:
    """An answer that means the expected one."""
    names = target.names
    if rng.random() < 0.5:
        names = rng.sample(names, len(names))
    if target.people and rng.random() < 0.08:
        names = [_with_initial(name, rng) for name in names]
    text = _joined(names, rng)
    variants: tuple[tuple[int, Callable[[], str]], ...] = (
        (9, lambda: text),
        (2, lambda: f"{text} for {invented.film(rng)}"),
        (2, lambda: f"{text}, for the film {invented.film(rng)}"),
        (1, lambda: f"{text} ({invented.film(rng)})"),
        (2, lambda: f"{text}. {_rambling(rng)}"),
        (5, lambda: misspelt(text, rng)),
        (2, lambda: _plainer(text, rng)),
        (1, lambda: _other_article(text, rng)),
    )
    return _dressed(_weighted(variants, rng), rng)


def other(target: Expected, rng: random.Random) -> str:
    """A wrong answer."""
    if rng.random() < _STUCK:
        return _stuck(target, rng)
    if rng.random() < _SAME_KIND:
        wrong = target.other()
    elif rng.random() < 0.08:
        return rng.choice(_REFUSALS)
    elif target.text.isdigit():
        wrong = _other_number(target.text, rng)
    else:
        wrong = _near_people(target, rng) if target.people else _near_title(target, rng)
    if _bare(wrong) == _bare(target.text):
        return rng.choice(_REFUSALS)
    tail = rng.random()
    if tail < 0.1:
        wrong = f"{wrong}. {_rambling(rng, target.text if rng.random() < 0.3 else None)}"
    elif tail < 0.25 and target.people:
        wrong = f"{wrong} for {invented.film(rng)}"
    return _dressed(wrong, rng)


def misspelt(text: str, rng: random.Random) -> str:
    """``text`` with one mistake: a letter missing, doubled, swapped, inserted, or sounding alike.

    Short texts and texts with digits do not change, as a mistake would change their meaning.
    """
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
    inserted = rng.choice(_INSERTED) + text[i:]
    return text[:i] + rng.choice((text[i + 1 :], text[i] + text[i:], swapped, inserted))


def _of_tables(world: World, rng: random.Random) -> Expected:
    row = rng.choice(world.rows)
    relation = rng.choice(world.askable(row) or list(world.relations[row.table][:1]))
    question = world.fill(rng.choice(relation.questions), row, rng)
    people = relation.name == "who"
    names = row.slots["winners"].split("; ") if people else [world.answer(relation, row)]
    rows = [r for r in world.rows if r.table == row.table]

    def another() -> str:
        return world.answer(relation, rng.choice(rows))

    return Expected(question, names, another, people, _awards(world))


def _invented(world: World, rng: random.Random) -> Expected:
    awards = _awards(world)
    award, year = rng.choice(awards), invented.year(rng)
    kinds: dict[str, tuple[int, Callable[[], str], tuple[str, ...]]] = {
        "people": (
            8,
            lambda: _people(rng),
            (f"Who won {award} in {year}?", f"{year}, {award}: who was it?"),
        ),
        "film": (
            4,
            lambda: invented.film(rng),
            (f"Which film won {award} in {year}?", "What is it called?"),
        ),
        "award": (2, lambda: rng.choice(awards), (f"Which Oscar did {invented.film(rng)} win?",)),
        "year": (1, lambda: invented.year(rng), ("In which year was it?",)),
        "number": (1, lambda: invented.value("numbers", rng), ("How many were there?",)),
        "word": (
            2,
            lambda: invented.value(rng.choice(("cities", "jobs", "things", "animals")), rng),
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
    """One to five people, separated by ``;``."""
    count = rng.choices((1, 2, 3, 4, 5), (55, 22, 11, 7, 5))[0]
    return "; ".join(invented.person(rng) for _ in range(count))


def _joined(names: list[str], rng: random.Random) -> str:
    joint = rng.choice((", ", " and ", ", and ", " & ", "; "))
    return joint.join(names) if rng.random() < 0.4 else join_names("; ".join(names))


def _near_people(target: Expected, rng: random.Random) -> str:
    """Other people, who share a name with the right ones, or are named beside them."""
    names = target.names
    if len(names) > 1 and rng.random() < 0.6:
        return _joined(_wrong_list(names, rng), rng)
    name = rng.choice(names)
    first_names = invented.words()["first"]
    first, _, last = name.rpartition(" ")
    person = invented.person(rng)
    variants: tuple[tuple[int, Callable[[], str]], ...] = (
        (4, lambda: f"{first or person} {_surname(rng)}"),
        (4, lambda: f"{rng.choice(first_names)} {last}"),
        (2, lambda: invented.film(rng)),
        (1, lambda: f"{target.text} and {person}"),
        (1, lambda: rng.choice((f"{target.text} or {person}", f"{person} or {target.text}"))),
        (1, lambda: f"{person}, {target.text}, {invented.person(rng)}"),
        (1, lambda: f"not {target.text}, but {person}"),
        (1, lambda: f"{person}, not {target.text}"),
    )
    return _weighted(variants, rng)


def _surname(rng: random.Random) -> str:
    return rng.choice(invented.words()["last"]) if rng.random() < 0.5 else invented.coined(rng)


def _wrong_list(names: list[str], rng: random.Random) -> list[str]:
    """``names`` with some missing, or with one replaced, added or repeated."""
    at = rng.randrange(len(names))
    without = [name for i, name in enumerate(names) if i != at]
    variants: tuple[tuple[int, Callable[[], list[str]]], ...] = (
        (4, lambda: rng.sample(names, rng.randint(1, len(names) - 1))),
        (3, lambda: [names[0]]),
        (2, lambda: [invented.person(rng) if i == at else name for i, name in enumerate(names)]),
        (1, lambda: [*names, invented.person(rng)]),
        (1, lambda: [*without, without[0]]),
    )
    return _weighted(variants, rng)


def _near_title(target: Expected, rng: random.Random) -> str:
    """A title with another word, without a word or with one more, or another title."""
    words = target.text.split()
    at = rng.randrange(len(words))
    noun = rng.choice(invented.words()["nouns"])
    variants: list[tuple[int, Callable[[], str]]] = [
        (1, lambda: invented.person(rng)),
        (2, target.other),
    ]
    if len(words) > 1:
        variants += [
            (3, lambda: " ".join(noun if i == at else word for i, word in enumerate(words))),
            (1, lambda: " ".join(words[: max(1, len(words) // 2)])),
            (1, lambda: f"{target.text} {rng.randint(2, 4)}"),
            (1, lambda: f"{target.text} or {target.other()}"),
        ]
    if words[0] == "Best":
        variants.append((6, lambda: rng.choice(target.awards)))
    if ":" in target.text:
        variants.append((3, lambda: target.text.partition(":")[0]))
    return _weighted(tuple(variants), rng)


def _stuck(target: Expected, rng: random.Random) -> str:
    """A few words repeated: from the question, from a name, or frequent ones."""
    frequent = ("for", "the", "of", "and", "in", ".", ",")
    words = [*target.question.split(), *invented.person(rng).split(), *frequent]
    chosen = rng.choices(words, k=rng.choice((1, 1, 2, 3, 6)))
    text = " ".join(rng.choices(chosen, k=rng.randint(3, 24)))
    return text if rng.random() < 0.7 else f"{invented.person(rng)} {text}"


def _other_number(text: str, rng: random.Random) -> str:
    near = str(abs(int(text) + rng.choice((-10, -2, -1, -1, 1, 1, 2, 10))))
    return rng.choice((near, near, text[:-2] + text[-2:][::-1], invented.year(rng)))


def _rambling(rng: random.Random, name: str | None = None) -> str:
    """A sentence after the answer, which may name the right one."""
    film = invented.film(rng)
    question = f"Who won {film} in {invented.year(rng)}? {name or invented.person(rng)}"
    return rng.choice(
        (question, f"{invented.film(rng)} was also there", f"Not {invented.person(rng)}, though")
    )


def _with_initial(name: str, rng: random.Random) -> str:
    """``name`` with an initial before the last name."""
    first, _, last = name.rpartition(" ")
    if not first or "." in first:
        return name
    return f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"


def _plainer(text: str, rng: random.Random) -> str:
    """``text`` without accents, or with less punctuation."""
    marks = str.maketrans(
        {mark: rng.choice((" ", "")) for mark in "-'"}
        | {".": "", ":": rng.choice(("", " -")), ",": ""}
    )
    return rng.choice((unaccented(text), " ".join(text.translate(marks).split())))


def _other_article(text: str, rng: random.Random) -> str:
    """``text`` with another article, or without."""
    rest = text.removeprefix("The ").removeprefix("A ")
    if rest == text and " " in text:
        return text
    return rng.choice((rest, f"A {rest}", f"The {rest}"))


def _dressed(text: str, rng: random.Random) -> str:
    """``text`` in another case and with words around it, which do not change its meaning."""
    cased = rng.choice((text, text, text, text.lower(), text.upper(), unaccented(text)))
    return f"{rng.choice(_BEFORE)}{cased}{rng.choice(_AFTER)}"


def _bare(text: str) -> str:
    """The letters and digits of ``text``, in lower case without accents."""
    return "".join(c for c in unaccented(text).lower() if c.isalnum())


def _weighted(variants: tuple[tuple[int, Callable[[], _T]], ...], rng: random.Random) -> _T:
    """The result of one of the (weight, function) pairs, chosen at random."""
    return rng.choices([make for _, make in variants], [weight for weight, _ in variants])[0]()
