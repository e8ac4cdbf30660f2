"""Answers without what does not matter: case, accents, articles, punctuation."""

from __future__ import annotations

import re
import unicodedata

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
