"""What each kind of value looks like: one pattern, whose groups name the kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.grading._vocabulary import COMPARISONS, CURRENCIES, MONTH_NAMES, UNITS


def _any_of(words: Iterable[str]) -> str:
    """Longest first, so that *km* is not read as *k*."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


NUMBER = r"""
    (?: (?<![\w)\].]) [+\-] )?
    (?: \d{1,3} (?:,\d{3})+ (?:\.\d+)?
      | \d{1,3} (?:\.\d{3}){2,}
      | \d{1,3} (?:[\u00a0\u202f\ ]\d{3})+ (?!\d)
      | \d+ (?:\.\d+)? )
"""
"""1,000,000 or 1.000.000 or 1 000 000 or 3.14, with its sign; a hyphen after a word is no sign."""
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

_APPROXIMATE = (
    r"about|around|approximately|approx\.?|roughly|circa|ca\.|c\.|nearly|almost|some|~|\u2248"
)
_BOUNDS = "|".join(
    rf"(?<!\w){re.escape(words)}" if words[0].isalpha() else re.escape(words)
    for words in sorted(COMPARISONS, key=len, reverse=True)
)
BOUND_BEFORE = re.compile(rf"(?:{_APPROXIMATE}|(?P<bound>{_BOUNDS}))\s*$", re.IGNORECASE)
"""*at least*, before a number; *about* is read so that *about* is no bound."""
BOUND_AFTER = re.compile(
    r"\s*(?:(?P<least>\+|or more|or over|or above|or higher|and over|and above|and up|or later"
    r"|plus)|(?:or less|or fewer|or under|or below|and under|and below|or lower|or earlier))"
    r"(?!\w)",
    re.IGNORECASE,
)
ROMAN = re.compile(r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
