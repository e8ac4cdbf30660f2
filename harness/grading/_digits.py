"""Number words in digits: *two and a half million* is 2.5 million, *nineteen ninety* is 1990."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.grading._text import unmarked

_TEN_TO_TWENTY = (
    "(ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty)"
)
_TENS = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_YEAR = re.compile(
    rf"\b{_TEN_TO_TWENTY}[\s-](hundred and )?({_TENS}(?:[\s-]\w+)?|{_TEN_TO_TWENTY})\b",
    re.IGNORECASE,
)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "eighth": 8, "tenth": 10}
_COUNTS = {"one": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_FRACTION = re.compile(
    rf"\b({'|'.join(_COUNTS)})[\s-]({'|'.join(_PARTS)})s?\b(?!\s(?:million|past|to\b))",
    re.IGNORECASE,
)
_HAS_NUMBER_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|[a-z]+ty"
    r"|hundred|thousand|million|billion|trillion|zero|first|second|third|[a-z]+th"
    r"|dozen|half|quarter)\b",
    re.IGNORECASE,
)
_SCALES = ("hundred", "thousand", "million", "billion", "trillion")
_DIGITS_AND_SCALE = re.compile(rf"(?<=\d)(\s?)({'|'.join(_SCALES)})\b", re.IGNORECASE)
_HIDDEN = {word: chr(0xE000 + i) for i, word in enumerate(_SCALES)}
"""Private characters, which the reader of number words leaves alone."""
_AND_HALF_SCALE = re.compile(r"\b(\w+) and a half (million|billion|trillion)\b", re.IGNORECASE)
_HALF_DOZEN = re.compile(r"\bhalf a dozen\b", re.IGNORECASE)
_DOZEN = re.compile(r"\b(?:(\d+)|an?) dozen\b|\bdozen\b", re.IGNORECASE)
_HALF = re.compile(r"^\W*(?:a |one )?half\W*$", re.IGNORECASE)
_PAST = re.compile(r"\b(half past|(?:a )?quarter (?:past|to)) (\d{1,2})\b", re.IGNORECASE)
_TENS_OF = dict(
    zip(
        ("twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet"),
        range(2, 10),
        strict=True,
    )
)
_DECADE = re.compile(rf"\b(?:nineteen[\s-])?({'|'.join(_TENS_OF)})ies\b", re.IGNORECASE)
_HALF_OF = re.compile(r"\bhalf an? (\w+)", re.IGNORECASE)
_AND_HALF = re.compile(r"\b(\d+) and (?:a half|1/2)\b", re.IGNORECASE)
_UNIT_AND_HALF = re.compile(r"\b(?:an?|1|one) (\w+) and (?:a half|1/2)\b", re.IGNORECASE)
_MINUS = re.compile(r"\b(?:minus|negative)\s+(?=\d)", re.IGNORECASE)
_WORLD_WAR = re.compile(r"\bww\s?(i{1,2}|[12])\b", re.IGNORECASE)
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}(?=\s|[,;:!?]|$)")
_VERSION = re.compile(r"\bv(?:ersion\s)?(?=\d+\.\d)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def in_digits(text: str) -> str:
    """``text`` without markup, its number words in digits, its initials joined (*U.K.*: *UK*)."""
    text = _WORLD_WAR.sub(r"World War \1", unmarked(text))
    text = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)
    text = _VERSION.sub("", text)
    if _HAS_NUMBER_WORD.search(text):
        text = _with_digits(text)
    text = _PAST.sub(_past, _DECADE.sub(lambda match: f"'{_TENS_OF[match[1].lower()]}0s", text))
    text = _HALF.sub("0.5", text)
    text = _HALF_OF.sub(r"0.5 \1", text)
    text = _AND_HALF.sub(lambda match: f"{float(match[1]) + 0.5:g}", text)
    text = _UNIT_AND_HALF.sub(r"1.5 \1", text)
    return _MINUS.sub("-", text)


def _with_digits(text: str) -> str:
    text = _HALF_DOZEN.sub("6", text)
    text = _AND_HALF_SCALE.sub(_scaled_half, text)
    text = _FRACTION.sub(lambda m: f"{_COUNTS[m[1].lower()]}/{_PARTS[m[2].lower()]}", text)
    text = _YEAR.sub(_year, text)
    # "7 million" stays as it is: what stands behind it may be a unit or a currency.
    text = _DIGITS_AND_SCALE.sub(lambda m: m[1] + _HIDDEN[m[2].lower()], text)
    text = _read(text)
    for word, mark in _HIDDEN.items():
        text = text.replace(mark, word)
    return _DOZEN.sub(lambda match: str(12 * int(match[1] or 1)), text)


def _read(text: str) -> str:
    from text_to_num import alpha2digit

    return str(alpha2digit(text, "en", threshold=0))


def _year(match: re.Match[str]) -> str:
    """*nineteen hundred and ninety*, *nineteen ninety*: 1990."""
    high, low = _read(match[1]), _read(match[3])
    return f"{high}{low}" if high.isdigit() and low.isdigit() and len(low) == 2 else match[0]


def _scaled_half(match: re.Match[str]) -> str:
    """*two and a half million*: 2.5 million."""
    count = _read(match[1])
    return f"{int(count)}.5 {match[2]}" if count.isdigit() else match[0]


def _past(match: re.Match[str]) -> str:
    """*half past 6*: 6:30, *quarter to 4*: 3:45."""
    words, hour = match[1].lower(), int(match[2])
    if words.endswith("to"):
        return f"{(hour - 1) or 12}:45"
    return f"{hour}:{30 if words.startswith('half') else 15}"
