"""When two words are one: slips of the pen, spellings, abbreviations."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein

_ARTICLES = {"the", "a", "an"}
_JOINED = str.maketrans("", "", "'\u2019`")
_TOKEN = re.compile(r"(?<![\w)\]])-?\d+(?:\.\d+)*\w*|\w+")
"""A word, or a number with its sign and its decimals; the hyphen of ``1990-1995`` is no sign."""


_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_LATEX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\s?\{([^{}]*)\}")
_SPECIAL = re.compile(r"<\|[^<>|]*\|>|<\|?/?\\?[A-Za-z_][^<>\s]{0,30}>|<\\?/?s>|\[/?INST\]")
_MATHS = re.compile(r"(?<!\w)\$([^$\n]{0,60}[^$\s])\$(?!\w)")
_MARKS = re.compile(r"\*\*|__|``?`?|~~|^\s{0,3}(?:#{1,6}|>(?!\s*\d)|[-*•])\s", re.MULTILINE)
_SUPERSCRIPTS = str.maketrans("\u2044\u2212", "/-")


def unmarked(text: str) -> str:
    """``text`` without thoughts, special tokens, markup and invisible characters; digits of any
    script as 0 to 9, full-width letters as plain ones."""
    text = _THOUGHT.sub(" ", text)
    text = _MATHS.sub(r"\1", _LATEX.sub(r"\1", _SPECIAL.sub(" ", text)))
    text = unicodedata.normalize("NFKC", _MARKS.sub("", text)).translate(_SUPERSCRIPTS)
    if text.isascii():
        return text
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    """Invisible characters go, and the marks of vowels in Hebrew and Arabic, which few write; a
    digit of another script becomes 0 to 9."""
    category = unicodedata.category(character)
    if category == "Cf" or (category == "Mn" and "\u0591" <= character <= "\u06ed"):
        return ""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def folded_words(word: str) -> list[str]:
    """One word of a text as it is compared: folded, joined at apostrophes."""
    if word.isascii():
        return [word.lower().translate(_JOINED)]
    plain = "".join(c for c in _folded(word) if not unicodedata.combining(c)).replace("ð", "d")
    plain = plain.replace("ø", "o").replace("ł", "l").replace("æ", "ae").replace("œ", "oe")
    plain = plain.replace("\u0629", "\u0647").translate(_JOINED)
    return [plain] if plain else []


def normalise(text: str) -> str:
    """Lower case, no accents, no articles, no punctuation, single spaces: ``"The Piano!"`` becomes
    ``"piano"``."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """The words of ``normalise``. Apostrophes and full stops join: ``J.K.`` is ``jk``, ``don't`` is
    ``dont``; numbers keep sign and decimals and lose what groups their digits."""
    every = all_words(text)
    return [word for word in every if word not in _ARTICLES] or every


def all_words(text: str) -> list[str]:
    """As ``words``, articles and all."""
    plain = "".join(c for c in _folded(text) if not unicodedata.combining(c))
    plain = plain.replace("ð", "d").replace("ø", "o").replace("ł", "l").replace("\u2212", "-")
    plain = plain.replace("&", " and ").replace("_", " ").translate(_JOINED)
    plain = re.sub(r"\.(?=\s|$)", " ", ungrouped(plain))
    return _TOKEN.findall(re.sub(r"(?<!\d)\.|\.(?!\d)", "", plain))


def ungrouped(text: str) -> str:
    """``text`` without the commas that group the digits of its numbers."""
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def _folded(text: str) -> str:
    """Compatibility caseless form, decomposed (Unicode, D146): what NFKD lays open, such as script
    letters, has a case."""
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKD", once.casefold())


_TABLES: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8")
)


def _by_spelling(table: dict[str, list[str]]) -> dict[str, str]:
    """``{"kilometer": ["km"]}`` as ``{"km": "kilometer"}``."""
    return {spelling: name for name, spellings in table.items() for spelling in spellings}


SCALES: dict[str, float] = _TABLES["scales"]
CURRENCIES = _by_spelling(_TABLES["currencies"])
UNITS = _by_spelling(_TABLES["units"])
COMPARISONS = _by_spelling(_TABLES["comparisons"])
MONTHS = _by_spelling(_TABLES["months"])
"""Full name of each month by its short name."""
MONTH_NAMES = (*_TABLES["months"], *MONTHS)
SPELLINGS = _by_spelling(_TABLES["words"])
TITLES = set(_TABLES["names"]["titles"])
RULERS = set(_TABLES["names"]["rulers"])
MAKES_ANOTHER = set(_TABLES["names"]["makes_another"])
"""Words that make another name of the one behind them: *New York*, *South Sudan*."""
DESCRIBES = set(_TABLES["names"]["describes"])
"""Those of them that in lower case only describe: *the great Edda Finch*."""
KINDS_OF_PLACE = set(_TABLES["names"]["kinds_of_place"])
"""Words that a name may be without: *Everest* for *Mount Everest*."""
COUNTRIES: dict[str, list[str]] = _TABLES["countries"]
"""More names of countries, by ISO 3166 code of two letters."""


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
