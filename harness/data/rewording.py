"""Random other wordings of the shipped questions, for training.

Trained on the fixed wordings alone, the shipped model answered 0.97 of the trained facts in trained
wordings and 0.35 in other wordings. For rules that need no list of synonyms see
``harness.data.wordings``.
"""

from __future__ import annotations

import random
import re
import tomllib
from functools import cache
from typing import Any

from harness.data import invented
from harness.data.facts import FIXTURES, Relation, read_text

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


def question(relation: Relation, rng: random.Random) -> str:
    """A random wording of the question of ``relation``; slots do not change.

    Some words are replaced by random words or misspelt. So the model learns to use the names in a
    question, and to accept words around them that it has never seen.
    """
    templates = _asking()[relation.table].get(relation.name, ())
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
