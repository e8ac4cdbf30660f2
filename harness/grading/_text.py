"""Words: text without markup, the form in which words are compared, and when two are the same."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein

_ARTICLES = {"the", "a", "an"}
_APOSTROPHES = str.maketrans("", "", "'\u2019`")
_TOKEN = re.compile(r"(?<![\w)\]])-?\d+(?:\.\d+)*\w*|\w+")
"""A word, or a number with sign and decimals; the hyphen of ``1990-1995`` is not a sign."""


_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_LATEX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\s?\{([^{}]*)\}")
_SPECIAL = re.compile(r"<\|[^<>|]*\|>|<\|?/?\\?[A-Za-z_][^<>\s]{0,30}>|<\\?/?s>|\[/?INST\]")
_MATHS = re.compile(r"(?<!\w)\$([^$\n]{0,60}[^$\s])\$(?!\w)")
_MARKS = re.compile(r"\*\*|__|``?`?|~~|^\s{0,3}(?:#{1,6}|>(?!\s*\d)|[-*•])\s", re.MULTILINE)
_SUPERSCRIPTS = str.maketrans("\u2044\u2212", "/-")


def unmarked(text: str) -> str:
    """``text`` without thoughts, special tokens, markup and invisible characters.

    Digits of any script become 0 to 9, and full-width letters become plain ones.
    """
    text = _THOUGHT.sub(" ", text)
    text = _MATHS.sub(r"\1", _LATEX.sub(r"\1", _SPECIAL.sub(" ", text)))
    text = unicodedata.normalize("NFKC", _MARKS.sub("", text)).translate(_SUPERSCRIPTS)
    if text.isascii():
        return text
    return "".join(_plain(character) for character in text)


def _plain(character: str) -> str:
    """``character`` as compared: empty where it is invisible, 0 to 9 where it is a digit."""
    category = unicodedata.category(character)
    # The range holds vowel marks of Hebrew and Arabic, which most people do not write.
    if category == "Cf" or (category == "Mn" and "\u0591" <= character <= "\u06ed"):
        return ""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def folded_words(word: str) -> list[str]:
    """One word of a text as it is compared: lower case, no accents, no apostrophes."""
    if word.isascii():
        return [word.lower().translate(_APOSTROPHES)]
    plain = "".join(c for c in _folded(word) if not unicodedata.combining(c)).replace("ð", "d")
    plain = plain.replace("ø", "o").replace("ł", "l").replace("æ", "ae").replace("œ", "oe")
    # In Arabic, ta marbuta at the end of a word is often written as ha.
    plain = plain.replace("\u0629", "\u0647").translate(_APOSTROPHES)
    return [plain] if plain else []


def normalise(text: str) -> str:
    """``text`` in lower case, without accents, articles and punctuation, with single spaces.

    ``"The Piano!"`` becomes ``"piano"``.
    """
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """The words of ``normalise``.

    Apostrophes and full stops join: ``J.K.`` is ``jk``, ``don't`` is ``dont``. Numbers keep their
    sign and decimals, and lose the commas between their digits.
    """
    with_articles = all_words(text)
    return [word for word in with_articles if word not in _ARTICLES] or with_articles


def all_words(text: str) -> list[str]:
    """As ``words``, with articles."""
    plain = "".join(c for c in _folded(text) if not unicodedata.combining(c))
    plain = plain.replace("ð", "d").replace("ø", "o").replace("ł", "l").replace("\u2212", "-")
    plain = plain.replace("&", " and ").replace("_", " ").translate(_APOSTROPHES)
    plain = re.sub(r"\.(?=\s|$)", " ", ungrouped(plain))
    return _TOKEN.findall(re.sub(r"(?<!\d)\.|\.(?!\d)", "", plain))


def ungrouped(text: str) -> str:
    """``text`` without the commas that group the digits of its numbers."""
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def _folded(text: str) -> str:
    """``text`` in decomposed compatibility caseless form (Unicode Standard, definition D146)."""
    # Folded twice: NFKD turns some characters without case, such as script letters, into capitals.
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
"""Full name of each month, by its short name."""
MONTH_NAMES = (*_TABLES["months"], *MONTHS)
SPELLINGS = _by_spelling(_TABLES["words"])
TITLES = set(_TABLES["names"]["titles"])
RULERS = set(_TABLES["names"]["rulers"])
MAKES_ANOTHER = set(_TABLES["names"]["makes_another"])
"""Words before a name that make another name: *New York*, *South Sudan*."""
DESCRIBES = set(_TABLES["names"]["describes"])
"""The words of ``MAKES_ANOTHER`` that only describe in lower case: *the great Edda Finch*."""
KINDS_OF_PLACE = set(_TABLES["names"]["kinds_of_place"])
"""Words that may be left out of a name: *Everest* for *Mount Everest*."""
COUNTRIES: dict[str, list[str]] = _TABLES["countries"]
"""Further names of countries, by two-letter code of ISO 3166."""


_ST = ({"st", "street"}, {"st", "saint"})
_DIGRAPHS = (("ue", "u"), ("oe", "o"), ("ae", "a"), ("aa", "a"), ("ss", "s"))
_GENDERS = {"a", "o", "e"}
_MAX_EDITS = 2
"""Most edits of a misspelling in a word of fewer than 12 letters; longer words may have more."""


def same_word(word: str, other: str) -> bool:
    """Whether two words differ at most in spelling, by rule.

    *St.* is *Saint*, *Zürich* is *Zuerich*, *colour* is *color*.
    """
    if word == other or {word, other} in _ST:
        return True
    word = SPELLINGS.get(word, word)
    other = SPELLINGS.get(other, other)
    if word == other or _without_digraphs(word) == _without_digraphs(other):
        return True
    return len(word) > 3 and _as_heard(word) == _as_heard(other)


def is_plural(word: str, other: str) -> bool:
    """Whether one of two words is the plural of the other."""
    short, long = sorted((word, other), key=len)
    return len(short) > 3 and long in (f"{short}s", f"{short}es")


def is_another_word(word: str, other: str) -> bool:
    """Whether ``other`` is another word than ``word``, and not a misspelling of it.

    A misspelling is not in the dictionary (*Phillipines*). *chlorine* for *chloride* is another
    word, and so is *responsible* for *irresponsible*, or *Livio* for *Livia*.
    """
    short, long = sorted((word, other), key=len)
    if len(short) <= 3 or not (word + other).isascii() or re.search(r"\d", word + other):
        return True  # one edit in a short word, or in a number, makes another one
    distance = DamerauLevenshtein.distance(word, other)
    if distance > max(_MAX_EDITS, len(long) // 4):
        return True
    if long.endswith(short) or long.startswith(short):
        return True
    if word[:-1] == other[:-1] and {word[-1], other[-1]} <= _GENDERS:
        return True
    if word[0] != other[0] and (distance > 1 or len(short) <= 4):
        return True
    return _is_known(other)


@lru_cache(maxsize=65536)
def _is_known(word: str) -> bool:
    return word in _dictionary().word_frequency


@lru_cache(maxsize=1)
def _dictionary() -> Any:
    from spellchecker import SpellChecker  # takes 0.2 s, so only for nearly right answers

    return SpellChecker()


@lru_cache(maxsize=65536)
def _as_heard(word: str) -> str:
    """``word`` without letters that are not heard, and so often misspelt: *Sarah*, *Sara*."""
    word = re.sub(r"(.)\1", r"\1", word)
    word = word.replace("dg", "g").replace("ck", "k").replace("ph", "f")
    return re.sub(r"(?:ie|ey|i)$", "y", re.sub(r"(?<=[aeor])h\b", "", word))


def _without_digraphs(word: str) -> str:
    for long, short in _DIGRAPHS:
        word = word.replace(long, short)
    return word
