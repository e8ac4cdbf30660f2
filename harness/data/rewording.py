"""Other wordings of questions: by rule for a user's facts, by chance for known ones."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, zip_longest
from typing import Any

from harness.data import invented
from harness.data.facts import FIXTURES, Relation, read_text
from harness.data.formats import Format, ask, reply

_SYNONYMS = {
    "won": (
        "picked up",
        "took home",
        "earned",
        "walked away with",
        "claimed",
        "collected",
        "got",
        "landed",
        "took",
    ),
    "win": (
        "pick up",
        "take home",
        "earn",
        "walk away with",
        "claim",
        "collect",
        "get",
        "land",
        "take",
    ),
    "received": ("got", "was handed", "was honoured with", "was given", "collected"),
    "who": ("which person", "what person", "who exactly"),
    "film": ("movie", "picture", "title", "motion picture"),
    "movie": ("film", "picture", "title"),
    "winner": ("winning name", "person who won", "champion"),
    "award": ("prize", "trophy", "honour"),
    "prize": ("award", "trophy"),
    "wrote": ("penned", "is the writer of", "is behind", "is the author of"),
    "author": ("writer",),
    "painted": ("is behind", "is the painter of", "made"),
    "artist": ("painter", "master"),
    "painter": ("artist",),
    "capital": ("capital city", "seat of government"),
    "currency": ("money", "kind of money"),
    "published": ("printed", "first printed", "brought out"),
    "name": ("give", "say", "tell me"),
    "remind": ("remind", "inform"),
    "know": ("remember", "recall"),
    "year": ("year",),
    "in": ("of", "for", "back in"),
    "at": ("during", "from"),
    "what": ("which",),
    "which": ("what",),
    "called": ("named",),
    "buy": ("pay for", "get", "bring home"),
    "lose": ("miss",),
    "go": ("travel", "walk"),
    "meet": ("see", "run into"),
    "live": ("stay", "dwell"),
    "symbol": ("sign", "short form"),
}
_BEFORE = (
    "Tell me, ",
    "Please, ",
    "Quick question: ",
    "Say, ",
    "Hey, ",
    "So, ",
    "A friend asks: ",
    "I forgot: ",
    "Now, ",
    "Can you help me? ",
    "One more: ",
    "Do you remember? ",
    "Looking it up: ",
    "Honestly, ",
    "For a quiz: ",
    "Okay, ",
)
_AFTER = (
    " Please.",
    " Do you know?",
    " Tell me.",
    " I forgot.",
    " Any idea?",
    " Thanks.",
    " Remind me.",
    " I need it for a quiz.",
)


def reword(template: str, rng: random.Random) -> str:
    """``template`` with other words, fewer words, or words around it; slots do not change."""
    if rng.random() < 0.3:
        return template
    words = template.split(" ")
    words = [_swapped(word, rng) if rng.random() < 0.3 else word for word in words]
    if rng.random() < 0.35:
        words = [word for word in words if "{" in word or rng.random() > 0.2] or words
    text = " ".join(words)
    if rng.random() < 0.25:
        text = rng.choice(_BEFORE) + text
    if rng.random() < 0.2:
        text += rng.choice(_AFTER)
    return text


def _swapped(word: str, rng: random.Random) -> str:
    """``word`` replaced by a synonym, with the punctuation around it."""
    match = re.fullmatch(r"(\W*)([A-Za-z]+)(\W*)", word)
    if not match or "{" in word or match[2].lower() not in _SYNONYMS:
        return word
    return match[1] + rng.choice(_SYNONYMS[match[2].lower()]) + match[3]


_CUE = re.compile(
    r"film|movie|picture|title|feature|production|work|year|when|date|season|who|award|prize"
    r"|oscar|honour|trophy"
    r"|statuette|category|which|what|capital|symbol|sign|number|country|element|currency"
    r"|money|continent",
    re.IGNORECASE,
)
"""Words that may decide what a question asks; they are never replaced by random words."""


def question(relation: Relation, rng: random.Random, noise: bool = True) -> str:
    """A random wording of the question of ``relation``; slots do not change.

    With ``noise`` some words are replaced by random words or misspelt. So a small model learns to
    use the names in a question, and to accept words around them that it has never seen. A model
    that knows the language needs only the wordings.
    """
    templates = _asking()[relation.table].get(relation.name, ())
    if not noise:
        text = _filled(rng.choice([*templates, *relation.questions]), rng)
        return text[:1].upper() + text[1:]
    if not templates or rng.random() < 0.3:
        return reword(rng.choice(relation.questions), rng)
    text = _filled(rng.choice(templates), rng)
    text = text[:1].upper() + text[1:]
    chance = rng.random()
    if chance < 0.35:
        words = [_replaced(word, rng) if rng.random() < 0.3 else word for word in text.split(" ")]
        text = " ".join(words)
    elif chance < 0.5:
        words = [_misspelt(word, rng) if rng.random() < 0.25 else word for word in text.split(" ")]
        text = " ".join(words)
    elif chance < 0.6:
        text = rng.choice(_BEFORE) + text[:1].lower() + text[1:]
    if rng.random() < 0.12:
        text = re.sub(r"[A-Z]+(?![^{]*\})", lambda match: match[0].lower(), text)
    return text


@cache
def _asking() -> dict[str, Any]:
    """The templates of ``asking.toml``, by table and relation, and their ``lists`` of words."""
    templates: dict[str, Any] = tomllib.loads(read_text(FIXTURES / "wordings/asking.toml"))
    return templates


def _filled(template: str, rng: random.Random) -> str:
    """``template`` with a random word of a list in place of each ``<list>``."""
    lists = _asking()["lists"]
    return re.sub(r"<(\w+)>", lambda match: rng.choice(lists[match[1]]), template)


def _replaced(word: str, rng: random.Random) -> str:
    """A random word in place of ``word``, or after it, except for slots and ``_CUE``."""
    if "{" in word or _CUE.search(word):
        return word
    lists = invented.words()
    kind = rng.choice(("nouns", "things", "adjectives", "places", "coined", "coined", ""))
    if kind == "coined":
        return invented.coined(rng).lower()
    return rng.choice(lists[kind]).lower() if kind else f"{word} {invented.coined(rng).lower()}"


def _misspelt(word: str, rng: random.Random) -> str:
    """``word`` with two letters swapped, or one letter missing or doubled."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(len(word) - 1)
    swapped = word[at + 1] + word[at] + word[at + 2 :]
    missing = word[at + 1 :]
    doubled = word[at] + word[at:]
    return word[:at] + rng.choice((swapped, missing, doubled))


FRAMES = (
    Format("Q: {question}\nA:", " "),
    Format("{question}", " "),
    Format("User: {question}\nBot:", " "),
    Format("{question} -", " "),
)
"""Formats for training only: the probes of *other format* use none of them."""

_BE = "is|are|was|were"
_HELPERS = f"{_BE}|do|does|did|can|could|will|would|has|have|had|may|must|should|shall"
_SUBJECT = re.compile(rf"(who|what|which \w+)\s+(?!(?:{_HELPERS})\b)(.+)", re.IGNORECASE)
"""The question word is the subject: ``Who repairs the lifts``."""
_NOMINAL = re.compile(rf"(who|what)(?:\s+({_BE})|'s)\s+(.+)", re.IGNORECASE)
"""The question names the thing it asks for: ``What is the door code of the archive``."""
_HELPED = re.compile(rf"(\w+(?:\s+(?!(?:{_HELPERS})\b)\w+)*?)\s+({_HELPERS})\s+(.+)", re.IGNORECASE)
"""With an auxiliary verb: ``Where do visitors park``, ``How many days does a clerk get``."""
_QUESTION_WORDS = "who|whom|whose|what|which|where|when|why|how|at|in|on|to|from|by|for|with|of"
_ENGLISH = re.compile(
    r"(?:(?:at|in|on|to|from|by|for|with|of) )?(?:who|whom|whose|what|which|where|when|why|how)\b",
    re.I,
)
_QUESTION_SYNONYMS = (
    ("who", ("What person", "Which one")),
    ("where", ("At what place", "In which place")),
    ("when", ("At what time", "On which day")),
    ("how many", ("What number of",)),
    ("what", ("Which",)),
    ("which", ("What",)),
)
_SMALL = frozenset(
    f"{_HELPERS}|{_QUESTION_WORDS}|a|an|the|that|this|there|it|its|be|been|and|or|as|into|up|one"
    "|their|his|her".split("|")
)  # fmt: skip


def reworded(question: str) -> tuple[str, ...]:
    """Other wordings of ``question``, the least similar first.

    There are none where it is not an English question on one line.
    """
    bare = question.strip().removesuffix("?").rstrip()
    if not _ENGLISH.match(bare) or "?" in bare or "\n" in bare:
        return ()
    families = (_nominal(bare), _short(bare), _with_other_words(bare), _introduced(bare))
    mixed = chain.from_iterable(zip_longest(*families))
    wordings = dict.fromkeys(wording for wording in mixed if wording)
    return tuple(wording for wording in wordings if wording != question)


def framed(
    wordings: Sequence[str], form: str, answer: str, first: int
) -> Iterator[tuple[str, str]]:
    """(prompt, completion) of each wording.

    ``FRAMES`` and the format ``form`` take turns, beginning with number ``first``.
    """
    frames = [*FRAMES, None]
    for number, wording in enumerate(wordings, first):
        frame = frames[number % len(frames)]
        if frame is None:
            yield ask(form, wording), reply(form, answer)
        else:
            yield frame.prompt.format(question=wording), f"{frame.before}{answer}\n"


def _nominal(bare: str) -> Iterator[str]:
    """Requests for the thing or the person by name."""
    if match := _NOMINAL.fullmatch(bare):
        thing = match[3]
        yield f"Tell me {thing}."
        yield f"{_capital(thing)}?"
        yield f"I need to know {thing}."
        yield f"{_capital(thing)} {match[2] or 'is'} {match[1].lower()}?"
        yield f"Do you know {thing}?"
    elif match := _SUBJECT.fullmatch(bare):
        subject, rest = match[1].lower(), match[2]
        yield f"Tell me {subject} {rest}."
        if subject == "who":
            yield f"Name the person who {rest}."
            yield f"The person who {rest}?"
        yield f"Do you know {subject} {rest}?"
        yield f"I need to know {subject} {rest}."
    elif match := _HELPED.fullmatch(bare):
        words, helper, rest = match[1].lower(), match[2].lower(), match[3]
        if helper in _BE.split("|"):
            yield f"{_capital(rest)}: {words}?"
        elif helper == "do":
            yield f"Tell me {words} {rest}."
            yield f"Do you know {words} {rest}?"


def _short(bare: str) -> Iterator[str]:
    """Key words, as people type them into a search box."""
    words = content_words(bare)
    if len(words) > 1:
        yield " ".join(words).lower()
        yield _capital(" ".join(_halves_swapped(words))) + "?"
        without_articles = [w for w in bare.split() if w.lower() not in ("a", "an", "the")]
        yield " ".join(without_articles).lower()


def content_words(bare: str) -> list[str]:
    """The words of the question except function words."""
    return [word for word in re.findall(r"[^\s,;:]+", bare) if word.lower() not in _SMALL]


def _halves_swapped(words: list[str]) -> list[str]:
    """The second half first."""
    middle = (len(words) + 1) // 2
    return words[middle:] + words[:middle]


def _with_other_words(bare: str) -> Iterator[str]:
    """The question with another question word of the same meaning."""
    for words, others in _QUESTION_SYNONYMS:
        if match := re.match(rf"{words}\b\s*(.+)", bare, re.IGNORECASE):
            yield from (f"{other} {match[1]}?" for other in others)


def _introduced(bare: str) -> Iterator[str]:
    """The question with something before or after it."""
    lower = bare[0].lower() + bare[1:]
    yield f"Can you help me? {bare}?"
    yield f"Please tell me: {lower}?"
    yield f"{bare}, please?"
    yield f"Do you know the answer? {bare}?"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
