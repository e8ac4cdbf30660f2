"""How words and values are written: number words put into digits, and the pattern of one token."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from harness.grading._text import COMPARISONS, CURRENCIES, MONTH_NAMES, UNITS, unmarked


def _any_of(words: Iterable[str]) -> str:
    """A regex for any of ``words``, the longest first, so that *km* is not read as *k*."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


NUMBER = r"""
    (?: (?<![\w)\].]) [+\-] )?
    (?: \d{1,3} (?:,\d{3})+ (?:\.\d+)?
      | \d{1,3} (?:\.\d{3}){2,}
      | \d{1,3} (?:[\u00a0\u202f\ ]\d{3})+ (?!\d)
      | \d+ (?:\.\d+)? )
"""
"""1,000,000 or 1.000.000 or 1 000 000 or 3.14, with its sign; a hyphen after a word is not one."""
_SCALE = r"hundred|thousand|million|billion|trillion|mn|bn|tn"
_MONTH = rf"(?:{_any_of(MONTH_NAMES)})\b\.?"
_YEAR = r"(?:,?\s+\d{3,4}(?![\d,]))?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_PART_OF_DAY = r"(?:in\s the\s (?:morning|afternoon|evening) | at\s night)"
_CURRENCY_WORD = _any_of(name for name in CURRENCIES if name.isalpha())
_CODE = r"""
      [\w.+-]{1,64} @ [\w-]+ \.[\w.-]*\w              # an address
    | \d+ (?:\.\d+){2,} (?!\d) (?<!\.\d\d\d)          # 2.10.1, but no 1.000.000
    | \d{3}-\d{4} (?!\d)                              # 555-0100
    | (?<![\w.,:/-]) 0\d+ (?![\w.,:/-]\d|\w|\s?[:/°%]) # 0417: its zero counts
"""
_DATES = rf"""
    (?P<iso> \d{{4}}-\d{{1,2}}-\d{{1,2}} | \d{{1,2}}/\d{{1,2}}/\d{{4}}
           | \d{{1,2}}\.\d{{1,2}}\.\d{{4}} )
  | (?P<day_first> {_DAY} \s+ (?:of\s+|day\s+of\s+)? {_MONTH} {_YEAR} )
  | (?P<month_first> {_MONTH} \s+ (?:the\s+)? {_DAY} (?![\d:]) {_YEAR} )
  | (?P<month_of_year> {_MONTH} ,?\s+ (?:of\s+)? \d{{4}} (?!\d) )
"""
_TIMES = rf"""
    (?P<clock> (?<!\w) (?:noon|midday|midnight) (?!\w)
             | \d{{1,2}} (?:[:.]\d{{2}})? (?:\so'?clock)? \s {_PART_OF_DAY} )
  | (?P<time> \d{{1,2}} (?:[:.]\d{{2}})? \s? (?: [ap]\.m\. | [ap]m\b | o'?clock )
            | (?<![\d:]) \d{{1,2}}:\d{{2}} (?::\d{{2}})? (?![\d:]) )
  | (?P<ratio> \d+:\d+ )
"""
_YEARS = r"""
    (?P<decade> \d{3}0'?s\b | '\d0s\b )
  | (?P<short_year> (?<!\w) '\d\d (?!\w) )
"""
_RANGE = r"""
    (?:between\s+|from\s+)? (?P<low> (?<![\w.]) [$€£¥]? \d[\d,.]{0,30} )
    (?: \s?[-\u2013\u2014]\s? | \s(?:to|until|through|and(?=\s\S+\b))\s )
    (?P<high> [$€£¥]? \d+ (?:[\d,.]*\d)? ) (?!\w)
"""
_MONEY = rf"""
    (?P<before_money> (?:us|a|c)?[$€£¥₹] | (?<!\w) (?:usd|eur|gbp|jpy|chf|inr) (?=\s?\d) )
    \s? (?P<money> {NUMBER} ) (?: \s? (?P<money_scale> {_SCALE} | [km](?!\w) ) )?
"""
_SMALLER = rf"""
    (?P<fraction> (?<![\d/]) \d+ \s?[/\u2044]\s? \d+ (?![\d/]) )
  | (?: ad|a\.d\. ) \s (?P<era_after> \d+ ) (?!\w)
  | (?P<era> \d+ ) \s? (?P<which_era> b\.?c\.?e\.? | b\.?c\.? | a\.?d\.? | c\.e\. | ce ) (?!\w)
  | (?P<ordinal> \d+ ) (?:st|nd|rd|th)\b
  | (?P<number> {NUMBER} ) (?: \s? (?P<scale> {_SCALE} | (?<=\d)k(?!\w) ) )?
    (?: \s? (?P<percent> % | percent\b | per\scent\b )
      | \s? (?P<currency> {_CURRENCY_WORD} )\b
      | [\s-]? (?:degrees?\s(?=c|f))? (?P<unit> {_any_of(UNITS)} ) (?!\w)
    )? (?!\w)
"""
_WORDS = r"""
    (?P<signed> (?<!\w) [a-z]+ (?:\+\+|\+|\#|\u266d|\u266f) (?!\w) | (?<!\w) (?:[a-fo]|ab)- (?!\w) )
  | (?P<word> [^\W_]+ (?: ['\u2019`] [^\W_]+ )* )
"""
TOKEN = re.compile(
    f"(?P<code> {_CODE} ) | {_DATES} | {_TIMES} | {_YEARS} | {_RANGE} | {_MONEY} | {_SMALLER}"
    f"| {_WORDS}",
    re.IGNORECASE | re.VERBOSE,
)
"""One token; the order of the alternatives counts, as a date also begins with a number."""

_APPROXIMATE = (
    r"about|around|approximately|approx\.?|roughly|circa|ca\.|c\.|nearly|almost|some|~|\u2248"
)
_BOUNDS = "|".join(
    rf"(?<!\w){re.escape(words)}" if words[0].isalpha() else re.escape(words)
    for words in sorted(COMPARISONS, key=len, reverse=True)
)
BOUND_BEFORE = re.compile(rf"(?:{_APPROXIMATE}|(?P<bound>{_BOUNDS}))\s*$", re.IGNORECASE)
"""*at least* before a number. *about* matches without the group ``bound``, as it sets none."""
BOUND_AFTER = re.compile(
    r"\s*(?:(?P<least>\+|or more|or over|or above|or higher|and over|and above|and up|or later"
    r"|plus)|(?:or less|or fewer|or under|or below|and under|and below|or lower|or earlier))"
    r"(?!\w)",
    re.IGNORECASE,
)
ROMAN = re.compile(r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")

_TEN_TO_TWENTY = (
    "(ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty)"
)
_TENS = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_YEAR_IN_WORDS = re.compile(
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
"""Private characters in place of scales, which ``alpha2digit`` does not change."""
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
    """``text`` without markup, with number words in digits and initials joined (*U.K.*: *UK*)."""
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
    text = _YEAR_IN_WORDS.sub(_year, text)
    # "7 million" stays as it is, because a unit or a currency may follow.
    text = _DIGITS_AND_SCALE.sub(lambda m: m[1] + _HIDDEN[m[2].lower()], text)
    text = _read(text)
    for word, mark in _HIDDEN.items():
        text = text.replace(mark, word)
    return _DOZEN.sub(lambda match: str(12 * int(match[1] or 1)), text)


def _read(text: str) -> str:
    from text_to_num import alpha2digit

    return str(alpha2digit(text, "en", threshold=0))


def _year(match: re.Match[str]) -> str:
    """*nineteen hundred and ninety* or *nineteen ninety* as 1990."""
    high, low = _read(match[1]), _read(match[3])
    return f"{high}{low}" if high.isdigit() and low.isdigit() and len(low) == 2 else match[0]


def _scaled_half(match: re.Match[str]) -> str:
    """*two and a half million* as 2.5 million."""
    count = _read(match[1])
    return f"{int(count)}.5 {match[2]}" if count.isdigit() else match[0]


def _past(match: re.Match[str]) -> str:
    """*half past 6* as 6:30, *quarter to 4* as 3:45."""
    words, hour = match[1].lower(), int(match[2])
    if words.endswith("to"):
        return f"{(hour - 1) or 12}:45"
    return f"{hour}:{30 if words.startswith('half') else 15}"
