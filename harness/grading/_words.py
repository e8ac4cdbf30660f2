"""When two words are one: slips, spellings, abbreviations; and when a name is part of a longer one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein

from harness.grading._values import Token

TITLES = {"dr", "doctor", "mr", "mister", "mrs", "ms", "miss", "prof", "professor", "sir", "dame", "lord", "lady"}
_SAME = {
    "mt": "mount", "st": "saint", "jr": "junior", "sr": "senior", "ft": "fort", "dr": "doctor",
    "prof": "professor", "vs": "versus", "gen": "general", "sgt": "sergeant", "capt": "captain",
    "colour": "color", "grey": "gray", "centre": "center", "theatre": "theater", "univ": "university",
    "ave": "avenue", "rd": "road", "blvd": "boulevard", "dept": "department", "govt": "government",
    "sulphur": "sulfur", "aluminium": "aluminum", "whisky": "whiskey", "harbour": "harbor",
}  # fmt: skip
_STREETS = ({"st", "street"}, {"st", "saint"})
_LONGER = {
    "new", "north", "south", "east", "west", "northern", "southern", "eastern", "western", "upper",
    "lower", "equatorial", "papua", "central", "outer", "inner", "great", "greater", "lesser",
    "little", "los", "las", "san", "santa", "el", "saint", "st", "mount", "mt", "port", "fort",
    "lake", "cape", "old", "young", "anti", "non", "former", "vice", "deputy", "half", "step",
    "grand", "pseudo", "semi",
}  # fmt: skip
"""Before a name: they make another one of it."""
_PLACES_IN_PEOPLE = {"north", "south", "east", "west", "northern", "southern", "eastern", "western", "upper", "lower"}
_DIGRAPHS = (("ue", "u"), ("oe", "o"), ("ae", "a"), ("aa", "a"), ("ss", "s"))
_SLIP = 2
"""Edits that a slip of the pen makes at most."""


def same_word(one: str, other: str) -> bool:
    """Equal, but for spellings that are alike by rule: *St.* and *Saint*, *Zürich* and *Zuerich*, a plural."""
    if one == other:
        return True
    if {one, other} in _STREETS:
        return True
    a, b = _SAME.get(one, one), _SAME.get(other, other)
    if a == b or _digraphs(a) == _digraphs(b) or (len(a) > 3 and _spelling(a) == _spelling(b)):
        return True
    short, long = sorted((a, b), key=len)
    return len(short) > 3 and long in (f"{short}s", f"{short}es") and one.islower()


def is_another_word(one: str, other: str) -> bool:
    """Whether the difference makes another word: both are in a dictionary, or too little is left to tell.

    A slip gives a word that no dictionary has (*Phillipines*); *chlorine* for *chloride* is none.
    """
    short, long = sorted((one, other), key=len)
    if len(short) <= 3 or not (one.isascii() and other.isascii()):
        return True
    if any(c.isdigit() for c in one + other):
        return True
    distance = DamerauLevenshtein.distance(one, other)
    if distance > max(_SLIP, len(long) // 4):
        return True
    if (
        long.endswith(short)
        or (long.startswith(short) and len(long) > len(short) + 1)
        or _known(other)
        or (other[0] != one[0] and distance > 1)
    ):
        return True
    return len(short) <= 4 and one[0] != other[0]


def aliases(name: str) -> tuple[str, ...]:
    """Other names by rule: an acronym of three letters or more, and what ISO 3166 calls a country."""
    return _aliases(name)


@lru_cache(maxsize=4096)
def _aliases(name: str) -> tuple[str, ...]:
    found = []
    if len(short := acronym(name)) >= 3:
        found.append(short)
    for country in _countries().get(name.casefold().removeprefix("the "), ()):
        found.append(country)
    return tuple(dict.fromkeys(found))


def acronym(name: str) -> str:
    """First letters of the capital words of ``name``; nothing where it has a numeral."""
    words = [word for word in re.findall(r"[^\W\d_]+", name) if word[:1].isupper()]
    numeral = any(len(word) > 1 and word.isupper() for word in words) or re.search(r"\d", name)
    return "" if numeral else "".join(word[0] for word in words)


def is_longer_name(target: Sequence[Token], before: Token | None, after: Token | None) -> bool:
    """Whether the word before or after makes another name of ``target``."""
    first, last = target[0], target[-1]
    if before is not None and before.text in _LONGER and before.text != first.text and not _starts_anew(before, first):
        return True
    if before is not None and before.kind == "word" and before.capital and first.capital and len(target) == 1:
        joined = f"{before.text} {first.text}"
        if joined in _countries() or joined in _parts_of_countries():
            return True
    if after is not None and after.kind == "word" and last.capital:
        if f"{last.text} {after.text}" in _parts_of_countries():
            return True
        if len(target) == 1 and after.capital:
            return True  # Emma, and Emma Watson
        return after.text in ("junior", "senior", "jr", "sr") and len(target) > 1
    return False


def _starts_anew(before: Token, first: Token) -> bool:
    """*north* before a word in lower case, or a name whose first word is no name of a place."""
    return not before.capital and first.capital and before.text in ("old", "young", "little", "great", "former")


@lru_cache(maxsize=65536)
def _known(word: str) -> bool:
    return word in _dictionary().word_frequency


@lru_cache(maxsize=1)
def _dictionary() -> Any:
    from spellchecker import SpellChecker

    return SpellChecker()


@lru_cache(maxsize=1)
def _countries() -> dict[str, tuple[str, ...]]:
    """Names of countries, folded, with all other names of each."""
    import pycountry

    found: dict[str, tuple[str, ...]] = {}
    for country in pycountry.countries:
        names = {country.name, country.alpha_2, country.alpha_3}
        names |= {getattr(country, field) for field in ("official_name", "common_name") if hasattr(country, field)}
        names |= {name.partition(",")[0] for name in names if "," in name}
        names |= _OTHER_NAMES.get(country.alpha_2, set())
        for name in names:
            if len(name) > 2 or name in ("US", "UK", "UN"):
                rest = tuple(sorted(other for other in names if other != name and (len(other) > 3 or other in _SHORT)))
                found[name.casefold()] = (*found.get(name.casefold(), ()), *rest)
    return found


_SHORT = {"USA", "US", "UK", "UAE"}
_OTHER_NAMES = {
    "US": {"United States", "USA", "US", "United States of America", "America"},
    "GB": {"United Kingdom", "UK", "Great Britain", "Britain"},
    "AE": {"UAE"}, "CZ": {"Czech Republic"}, "NL": {"Holland"}, "MM": {"Burma"}, "RU": {"Russia"},
    "CI": {"Ivory Coast"}, "TR": {"Turkey"}, "VA": {"Vatican City", "Vatican"}, "SZ": {"Swaziland"},
    "MK": {"Macedonia"}, "CV": {"Cape Verde"}, "KR": {"South Korea"}, "KP": {"North Korea"},
    "SY": {"Syria"}, "IR": {"Iran"}, "LA": {"Laos"}, "TZ": {"Tanzania"}, "VE": {"Venezuela"},
    "BO": {"Bolivia"}, "MD": {"Moldova"}, "VN": {"Vietnam"}, "BN": {"Brunei"}, "TL": {"East Timor"},
    "CD": {"DR Congo", "DRC"}, "CN": {"China"}, "DE": {"Germany"},
}  # fmt: skip


@lru_cache(maxsize=1)
def _parts_of_countries() -> frozenset[str]:
    """Pairs of neighbouring words in names of countries of two words or more."""
    found = set()
    for name in _countries():
        words = re.findall(r"\w+", name)
        found |= {f"{a} {b}" for a, b in zip(words, words[1:], strict=False) if a not in ("of", "the")}
    return frozenset(found)


@lru_cache(maxsize=65536)
def _spelling(word: str) -> str:
    """Without what is not heard, and is often misspelt: a silent h, double letters, *y* for *i*."""
    word = re.sub(r"(.)\1", r"\1", word)
    word = word.replace("dg", "g").replace("ck", "k").replace("ph", "f")
    return re.sub(r"(?:ie|ey|i)$", "y", re.sub(r"(?<=[aeor])h\b", "", word))


def _digraphs(word: str) -> str:
    for long, short in _DIGRAPHS:
        word = word.replace(long, short)
    return word
