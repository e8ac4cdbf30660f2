"""Answers without what does not matter: case, accents, articles, punctuation."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = {"the", "a", "an"}
_JOINED = str.maketrans("", "", "'\u2019`")
_TOKEN = re.compile(r"(?<![\w)\]])-?\d+(?:\.\d+)*\w*|\w+")
"""A word, or a number with its sign and its decimals; the hyphen of ``1990-1995`` is no sign."""


def normalise(text: str) -> str:
    """Lower case, no accents, no articles, no punctuation, single spaces: ``"The Piano!"`` -> ``"piano"``."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """The words of ``normalise``. Apostrophes and full stops join: ``J.K.`` is ``jk``, ``don't`` is ``dont``; numbers
    keep sign and decimals and lose what groups their digits."""
    found = all_words(text)
    return [word for word in found if word not in _ARTICLES] or found


def all_words(text: str) -> list[str]:
    """As ``words``, articles and all."""
    plain = "".join(c for c in _folded(text) if not unicodedata.combining(c)).replace("ð", "d").replace("ø", "o")
    plain = plain.replace("ł", "l").replace("&", " and ").replace("_", " ").replace("\u2212", "-").translate(_JOINED)
    plain = re.sub(r"\.(?=\s|$)", " ", ungrouped(plain))
    return _TOKEN.findall(re.sub(r"(?<!\d)\.|\.(?!\d)", "", plain))


def ungrouped(text: str) -> str:
    """``text`` without the commas that group the digits of its numbers."""
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def _folded(text: str) -> str:
    """Compatibility caseless form, decomposed (Unicode, D146): what NFKD lays open, as script letters, has a case."""
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKD", once.casefold())
