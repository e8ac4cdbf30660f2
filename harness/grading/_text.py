"""Answers without what does not matter: case, accents, articles, punctuation."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = {"the", "a", "an"}
_JOINED = str.maketrans("", "", "'\u2019`.")


def normalise(text: str) -> str:
    """Lower case, no accents, no articles, no punctuation, single spaces: ``"The Piano!"`` -> ``"piano"``."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """The words of ``normalise``. Apostrophes and full stops join: ``J.K.`` is ``jk``, ``don't`` is ``dont``."""
    plain = "".join(c for c in _folded(text) if not unicodedata.combining(c)).replace("ð", "d").replace("ø", "o")
    plain = plain.replace("ł", "l").replace("&", " and ")
    plain = re.sub(r"\.(?=\s|$)", " ", plain).translate(_JOINED)
    found = re.sub(r"[^\w]+|_", " ", plain).split()
    return [w for w in found if w not in _ARTICLES] or found


def _folded(text: str) -> str:
    """Compatibility caseless form, decomposed (Unicode, D146): what NFKD lays open, as script letters, has a case."""
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKD", once.casefold())
