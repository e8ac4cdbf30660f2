"""Questions said in other words, so that the model hears what is asked and not how.

With the fixed wordings alone the model answered 0.97 of trained facts in trained wordings, and 0.35
in others.
"""

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from typing import Any

from harness.data import invented as _words
from harness.data.facts import FIXTURES, Relation, read_text

_OTHER = {
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
    "Tell me, ", "Please, ", "Quick question: ", "Say, ", "Hey, ", "So, ", "A friend asks: ",
    "I forgot: ", "Now, ",
    "Can you help me? ", "One more: ", "Do you remember? ", "Looking it up: ", "Honestly, ",
    "For a quiz: ", "Okay, ",
)  # fmt: skip
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
    """``template`` with other words, fewer words, or something around it; slots stay."""
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
    found = re.fullmatch(r"(\W*)([A-Za-z]+)(\W*)", word)
    if not found or "{" in word or found[2].lower() not in _OTHER:
        return word
    return found[1] + rng.choice(_OTHER[found[2].lower()]) + found[3]


_CUE = re.compile(
    r"film|movie|picture|title|feature|production|work|year|when|date|season|who|award|prize"
    r"|oscar|honour|trophy"
    r"|statuette|category|which|what|capital|symbol|sign|number|country|element|currency"
    r"|money|continent",
    re.IGNORECASE,
)
"""Words that may decide what is asked: those are never replaced by chance words."""


def question(relation: Relation, rng: random.Random) -> str:
    """A wording in which ``relation`` is asked; slots stay.

    Some words are exchanged for words by chance: what a question names counts, and not the words
    around it, so that words are met that no text here has.
    """
    shapes = _asking()[relation.table].get(relation.name, ())
    if not shapes or rng.random() < 0.3:
        return reword(rng.choice(relation.questions), rng)
    text = _filled(rng.choice(shapes), rng)
    text = text[:1].upper() + text[1:]
    chance = rng.random()
    if chance < 0.35:
        words = [_by_chance(word, rng) if rng.random() < 0.3 else word for word in text.split(" ")]
        text = " ".join(words)
    elif chance < 0.5:
        text = " ".join(
            _typed(word, rng) if rng.random() < 0.25 else word for word in text.split(" ")
        )
    elif chance < 0.6:
        text = rng.choice(_BEFORE) + text[:1].lower() + text[1:]
    if rng.random() < 0.12:
        text = re.sub(r"[A-Z]+(?![^{]*\})", lambda found: found[0].lower(), text)
    return text


@cache
def _asking() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(read_text(FIXTURES / "wordings/asking.toml"))
    return found


def _filled(shape: str, rng: random.Random) -> str:
    lists = _asking()["lists"]
    return re.sub(r"<(\w+)>", lambda found: rng.choice(lists[found[1]]), shape)


def _by_chance(word: str, rng: random.Random) -> str:
    if "{" in word or _CUE.search(word):
        return word
    lists = _words.words()
    kind = rng.choice(("nouns", "things", "adjectives", "places", "coined", "coined", ""))
    if kind == "coined":
        return _words.coined(rng).lower()
    return rng.choice(lists[kind]).lower() if kind else f"{word} {_words.coined(rng).lower()}"


def _typed(word: str, rng: random.Random) -> str:
    """``word`` with a slip of the fingers."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(len(word) - 1)
    swapped = word[at + 1] + word[at]
    return word[:at] + rng.choice((swapped + word[at + 2 :], word[at + 1 :], word[at] + word[at:]))
