"""When two words are one: slips of the pen, spellings, abbreviations."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein

from harness.grading._vocabulary import SPELLINGS

_ST = ({"st", "street"}, {"st", "saint"})
_DIGRAPHS = (("ue", "u"), ("oe", "o"), ("ae", "a"), ("aa", "a"), ("ss", "s"))
_GENDERS = {"a", "o", "e"}
_SLIP = 2
"""Edits that a slip of the pen makes at most in a word of fewer than 12 letters."""


def same_word(one: str, other: str) -> bool:
    """Equal, but for spellings that are alike by rule: *St.* and *Saint*, *Zürich* and *Zuerich*,
    *colour* and *color*."""
    if one == other or {one, other} in _ST:
        return True
    one, other = SPELLINGS.get(one, one), SPELLINGS.get(other, other)
    if one == other or _without_digraphs(one) == _without_digraphs(other):
        return True
    return len(one) > 3 and _as_heard(one) == _as_heard(other)


def is_plural(one: str, other: str) -> bool:
    """Whether one of the two is the other's plural."""
    short, long = sorted((one, other), key=len)
    return len(short) > 3 and long in (f"{short}s", f"{short}es")


def is_another_word(one: str, other: str) -> bool:
    """Whether the difference makes another word of ``one``, the word of the accepted answer.

    A slip gives a word that no dictionary has (*Phillipines*). *chlorine* for *chloride* is none,
    nor is *responsible* for *irresponsible*, nor *Livio* for *Livia*.
    """
    short, long = sorted((one, other), key=len)
    if len(short) <= 3 or not (one + other).isascii() or re.search(r"\d", one + other):
        return True  # too little is left to tell
    distance = DamerauLevenshtein.distance(one, other)
    if distance > max(_SLIP, len(long) // 4):
        return True
    if long.endswith(short) or long.startswith(short):
        return True
    if one[:-1] == other[:-1] and {one[-1], other[-1]} <= _GENDERS:
        return True
    if one[0] != other[0] and (distance > 1 or len(short) <= 4):
        return True
    return _is_known(other)


@lru_cache(maxsize=65536)
def _is_known(word: str) -> bool:
    return word in _dictionary().word_frequency


@lru_cache(maxsize=1)
def _dictionary() -> Any:
    from spellchecker import SpellChecker  # 0.2 s, for answers that are nearly right

    return SpellChecker()


@lru_cache(maxsize=65536)
def _as_heard(word: str) -> str:
    """Without what is not heard, and is often misspelt: *Sarah* and *Sara*."""
    word = re.sub(r"(.)\1", r"\1", word)
    word = word.replace("dg", "g").replace("ck", "k").replace("ph", "f")
    return re.sub(r"(?:ie|ey|i)$", "y", re.sub(r"(?<=[aeor])h\b", "", word))


def _without_digraphs(word: str) -> str:
    for long, short in _DIGRAPHS:
        word = word.replace(long, short)
    return word
