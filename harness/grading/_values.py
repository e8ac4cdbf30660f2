"""An answer as tokens: words, and values (numbers, dates, money, ...) that are compared as values."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from harness.grading._text import folded_words, unmarked

_TOLERANCE = 0.005
"""Relative: 5 km and 5,000 m are one length, 5 miles and 8 km are not."""
_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "mn": 1e6,
    "billion": 1e9, "bn": 1e9, "trillion": 1e12, "tn": 1e12,
}  # fmt: skip
_CURRENCIES = {
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "a$": "AUD",
    "c$": "CAD", "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP",
    "pound": "GBP", "pounds": "GBP", "¥": "JPY", "jpy": "JPY", "yen": "JPY", "₹": "INR",
    "inr": "INR", "rupee": "INR", "rupees": "INR", "chf": "CHF", "francs": "CHF", "cent": "cent",
    "cents": "cent",
}  # fmt: skip
_UNITS = {
    "km": "kilometer", "kilometre": "kilometer", "kilometres": "kilometer",
    "kilometers": "kilometer", "m": "meter", "metre": "meter", "metres": "meter", "meters": "meter",
    "cm": "centimeter", "centimetre": "centimeter", "centimetres": "centimeter",
    "centimeters": "centimeter", "mm": "millimeter", "millimetre": "millimeter",
    "millimetres": "millimeter", "millimeters": "millimeter", "nm": "nanometer", "µm": "micrometer",
    "mi": "mile", "miles": "mile", "ft": "foot", "feet": "foot", "inches": "inch", "yd": "yard",
    "yards": "yard", "kg": "kilogram", "kilo": "kilogram", "kilos": "kilogram",
    "kilograms": "kilogram", "kilogrammes": "kilogram", "g": "gram", "grams": "gram",
    "grammes": "gram", "mg": "milligram", "milligrams": "milligram", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "ounces": "ounce", "tonne": "metric_ton", "tonnes": "metric_ton",
    "tons": "ton", "l": "liter", "litre": "liter", "litres": "liter", "liters": "liter",
    "ml": "milliliter", "millilitres": "milliliter", "milliliters": "milliliter",
    "cl": "centiliter", "gallons": "gallon", "s": "second", "sec": "second", "secs": "second",
    "seconds": "second", "min": "minute", "mins": "minute", "minutes": "minute", "h": "hour",
    "hr": "hour", "hrs": "hour", "hours": "hour", "ms": "millisecond", "days": "day",
    "weeks": "week", "months": "month", "years": "year", "yrs": "year", "yr": "year",
    "mph": "mile/hour", "km/h": "kilometer/hour", "kph": "kilometer/hour", "kmh": "kilometer/hour",
    "m/s": "meter/second", "w": "watt", "watts": "watt", "kw": "kilowatt", "kilowatts": "kilowatt",
    "mw": "megawatt", "megawatts": "megawatt", "v": "volt", "volts": "volt", "hz": "hertz",
    "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz", "kb": "kilobyte",
    "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "bytes": "byte", "bits": "bit", "gigabytes": "gigabyte", "megabytes": "megabyte",
    "kilobytes": "kilobyte", "terabytes": "terabyte", "kwh": "kilowatt_hour",
    "kcal": "kilocalorie", "calories": "calorie", "j": "joule", "joules": "joule",
    "kj": "kilojoule", "kilojoules": "kilojoule", "hectares": "hectare", "ha": "hectare",
    "acres": "acre", "°c": "degC", "celsius": "degC", "°f": "degF", "fahrenheit": "degF",
    "kelvin": "kelvin", "°": "degree", "degrees": "degree",
}  # fmt: skip
_UNITS |= {name: name for name in set(_UNITS.values()) if name.isalpha() and name not in _UNITS}
_APPROXIMATE = "about|around|approximately|approx\\.?|roughly|circa|ca\\.|c\\.|nearly|almost|some|~|≈"
_COMPARED = {
    ">": ">", "more than": ">", "over": ">", "above": ">", "greater than": ">", "after": ">",
    "later than": ">", "<": "<", "less than": "<", "fewer than": "<", "under": "<", "below": "<",
    "before": "<", "earlier than": "<", "≥": ">=", ">=": ">=", "at least": ">=", "not before": ">=",
    "not less than": ">=", "≤": "<=", "<=": "<=", "at most": "<=", "up to": "<=", "not after": "<=",
    "not more than": "<=", "no more than": "<=", "no less than": ">=", "no fewer than": ">=",
    "not fewer than": ">=", "until": "<=", "since": ">=", "a minimum of": ">=", "a maximum of": "<=",
}  # fmt: skip
_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan\\.?|feb\\.?|mar\\.|apr\\.?|jun\\.?|jul\\.?|aug\\.?|sept\\.?|sep\\.?|oct\\.?|nov\\.?|dec\\.?"
)
_FULL_MONTHS = dict(
    zip(
        ("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
        ("january", "february", "march", "april", "june", "july", "august", "september",
         "september", "october", "november", "december"),
        strict=True,
    )
)  # fmt: skip
_NUMBER = (
    r"(?:(?<![\w)\].])[+\-])?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}"
    r"|\d{1,3}(?:[\u00a0\u202f ]\d{3})+(?![\d])|\d+(?:\.\d+)?)"
)
_SCALE = r"(?:\s?(?P<{0}>hundred|thousand|million|billion|trillion|mn|bn|tn{1}))?"
_MONEY_SCALE = _SCALE.format("money_scale", r"|[km](?!\w)")
_NUMBER_SCALE = _SCALE.format("scale", r"|(?<=\d)k(?!\w)")
_UNIT = "|".join(sorted((re.escape(unit) for unit in _UNITS), key=len, reverse=True))
_MONEY = "|".join(sorted((re.escape(name) for name in _CURRENCIES if name.isalpha()), key=len, reverse=True))
_ERA = r"b\.?c\.?e\.?|b\.?c\.?|a\.?d\.?|c\.e\.|ce"
_MASTER = re.compile(
    rf"""
    (?P<code>[\w.+-]+@[\w-]+\.[\w.-]*\w|\d+(?:\.\d+){{2,}}(?!\d)(?<!\.\d\d\d)|\d{{3}}-\d{{4}}(?!\d))
  | (?P<iso>\d{{4}}-\d{{1,2}}-\d{{1,2}}|\d{{1,2}}/\d{{1,2}}/\d{{4}}|\d{{1,2}}\.\d{{1,2}}\.\d{{4}})
  | (?P<dmy>\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+|day\s+of\s+)?(?:{_MONTHS})(?![a-z])(?:,?\s+\d{{3,4}}(?![\d,]))?)
  | (?P<mdy>(?:{_MONTHS})(?![a-z])\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?(?![\d:])(?:,?\s+\d{{3,4}}(?![\d,]))?)
  | (?P<my>(?:{_MONTHS})(?![a-z]),?\s+(?:of\s+)?\d{{4}}(?!\d))
  | (?P<clock>(?<!\w)(?:noon|midday|midnight)(?!\w)|\d{{1,2}}(?:[:.]\d{{2}})?(?:\so'?clock)?\s(?:in\sthe\s(?:morning|afternoon|evening)|at\snight))
  | (?P<time>\d{{1,2}}(?:[:.]\d{{2}})?\s?(?:[ap]\.m\.|[ap]m\b|o'?clock)|(?<![\d:])\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?![\d:]))
  | (?P<ratio>\d+:\d+)
  | (?P<decade>\d{{3}}0'?s\b|'\d0s\b)
  | (?P<short_year>(?<!\w)'\d\d(?!\w))
  | (?:between\s+|from\s+)?(?P<low>(?<![\w.])[$€£¥]?\d[\d,.]*)(?:\s?[-–—]\s?|\s(?:to|until|through|and(?=\s\S+\b))\s)(?P<high>[$€£¥]?\d+(?:[\d,.]*\d)?)(?!\w)
  | (?P<before_money>(?:us|a|c)?[$€£¥₹]|(?<!\w)(?:usd|eur|gbp|jpy|chf|inr)(?=\s?\d))\s?(?P<money>{_NUMBER}){_MONEY_SCALE}
  | (?P<fraction>(?<![\d/])\d+\s?[/⁄]\s?\d+(?![\d/]))
  | (?P<before_era>ad|a\.d\.)\s(?P<era_after>\d+)(?!\w)
  | (?P<era>\d+)\s?(?P<which_era>{_ERA})(?!\w)
  | (?P<ordinal>\d+)(?:st|nd|rd|th)\b
  | (?P<number>{_NUMBER}){_NUMBER_SCALE}(?:
        \s?(?P<percent>%|percent\b|per\scent\b)
      | \s?(?P<currency>{_MONEY})\b
      | [\s-]?(?:degrees?\s(?=c|f))?(?P<unit>{_UNIT})(?![\w])
    )?(?!\w)
  | (?P<signed>(?<!\w)(?:[a-z]|ab|[a-z]+)(?:\+\+|\+|\#)(?!\w)|(?<!\w)(?:[a-fo]|ab)-(?![\w]))
  | (?P<word>[^\W_]+(?:['’`][^\W_]+)*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BOUNDS = "|".join(
    rf"(?<!\w){re.escape(words)}" if words[0].isalpha() else re.escape(words)
    for words in sorted(_COMPARED, key=len, reverse=True)
)
_BEFORE = re.compile(rf"(?:({_APPROXIMATE})|({_BOUNDS}))\s*$", re.IGNORECASE)
_AFTER = re.compile(
    r"\s*(?:(\+|or more|or over|or above|or higher|and over|and above|and up|or later|plus)"
    r"|(or less|or fewer|or under|or below|and under|and below|or lower|or earlier))(?!\w)",
    re.IGNORECASE,
)
_TWO_NUMBERS = r"(ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty)"
_YEAR_WORDS = re.compile(
    rf"\b{_TWO_NUMBERS}[\s-](hundred and )?((?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[\s-]\w+)?|{_TWO_NUMBERS})\b",
    re.IGNORECASE,
)
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "eighth": 8, "tenth": 10}
_FRACTION_WORDS = re.compile(
    r"\b(one|a|two|three|four|five)[\s-](half|third|quarter|fourth|fifth|eighth|tenth)s?\b", re.IGNORECASE
)
_COUNTS = {"one": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_NUMBER_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|hundred|thousand|million"
    r"|billion|trillion|zero|first|second|third|\w+th|\w+ieth)\b",
    re.IGNORECASE,
)
_DIGITS_WITH_SCALE = re.compile(r"(?<=\d)(\s?)(hundred|thousand|million|billion|trillion)\b", re.IGNORECASE)
_HIDDEN = {word: chr(0xE000 + i) for i, word in enumerate(("hundred", "thousand", "million", "billion", "trillion"))}
"""Private characters, which the reader of number words leaves alone."""
_ROMAN = re.compile(r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_LETTERS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}(?=\s|[,;:!?]|$)")
_VERSION = re.compile(r"\bv(?:ersion\s)?(?=\d+\.\d)", re.IGNORECASE)
_HALF_OF = re.compile(r"\bhalf an? (\w+)", re.IGNORECASE)
_AND_HALF = re.compile(r"\b(\d+) and (?:a half|1/2)\b", re.IGNORECASE)
_UNIT_AND_HALF = re.compile(r"\b(?:an?|1|one) (\w+) and (?:a half|1/2)\b", re.IGNORECASE)
_MINUS = re.compile(r"\b(?:minus|negative)\s+(?=\d)", re.IGNORECASE)
_WORLD_WAR = re.compile(r"\bww\s?(i{1,2}|[12])\b", re.IGNORECASE)


class Token(NamedTuple):
    """A word or a value of a text."""

    text: str
    """Folded; of a value, its canonical form."""
    kind: str
    """``word``, ``number``, ``ordinal``, ``roman``, ``date``, ``time``, ``money``, ``percent``, ``quantity``,
    ``range``, ``comparison``, ``year`` (of two digits), ``decade``, ``ratio``, ``code``, ``sign``."""
    value: Any
    start: int
    """Place in the text."""
    end: int
    capital: bool = False


def tokens(text: str) -> tuple[Token, ...]:
    """``text`` in tokens. Cached, as many questions share their accepted answers."""
    return _tokens(text)


@lru_cache(maxsize=4096)
def spelled(text: str) -> str:
    """``text`` without markup, its number words in digits."""
    text = _WORLD_WAR.sub(lambda m: f"World War {m[1]}", unmarked(text))
    text = _INITIALS.sub(lambda m: m[0].replace(".", ""), text)
    text = _VERSION.sub("", _HALF_OF.sub(lambda m: f"0.5 {m[1]}", text))
    if _NUMBER_WORD.search(text):
        text = _FRACTION_WORDS.sub(lambda m: f"{_COUNTS[m[1].lower()]}/{_PARTS[m[2].lower()]}", text)
        text = _YEAR_WORDS.sub(_year, text)
        # 7 million stays as it is, for what stands behind it
        text = _DIGITS_WITH_SCALE.sub(lambda m: m[1] + _HIDDEN[m[2].lower()], text)
        text = _words_to_digits(text)
        for word, mark in _HIDDEN.items():
            text = text.replace(mark, word)
    if "half" in text or "1/2" in text or "inus" in text or "egative" in text:
        text = _AND_HALF.sub(lambda m: f"{float(m[1]) + 0.5:g}", text)
        text = _UNIT_AND_HALF.sub(lambda m: f"1.5 {m[1]}", text)
        text = _MINUS.sub("-", text)
    return text


@lru_cache(maxsize=8192)
def _tokens(text: str) -> tuple[Token, ...]:
    text = spelled(text)
    found: list[Token] = []
    for match in _MASTER.finditer(text):
        name = match.lastgroup or ""
        found.extend(_read(text, match, name))
    bounds = [token for token in found if token.kind == "comparison"]
    return tuple(t for t in found if t in bounds or not any(b.start <= t.start < b.end for b in bounds))


def _words_to_digits(text: str) -> str:
    from text_to_num import alpha2digit

    return str(alpha2digit(text, "en", threshold=0))


def _year(match: re.Match[str]) -> str:
    first, _, second = match.groups()[:3]
    high, low = _words_to_digits(first), _words_to_digits(second)
    return f"{high}{low}" if high.isdigit() and low.isdigit() and len(low) == 2 else match[0]


def _read(text: str, match: re.Match[str], name: str) -> list[Token]:
    """The tokens of one match of ``_MASTER``."""
    groups, span = match.groupdict(), match.span()

    def one(kind: str, value: Any, shown: str) -> list[Token]:
        return [_compared(text, Token(shown, kind, value, *span))]

    for field in ("iso", "dmy", "mdy", "my"):
        if groups[field]:
            dates = _dates(groups[field])
            return one("date", dates, "/".join(map(_shown_date, dates))) if dates else _numbers(text, match)
    if groups["code"]:
        return one("code", groups["code"].lower(), groups["code"].lower())
    if groups["clock"]:
        return _clock(one, groups["clock"].lower())
    if groups["time"]:
        return _time(one, groups["time"])
    if groups["ratio"]:
        return one("ratio", groups["ratio"], groups["ratio"])
    if groups["decade"]:
        digits = re.sub(r"\D", "", groups["decade"])
        return one("decade", int(digits) % 100 if len(digits) == 2 else int(digits), f"{digits}s")
    if groups["short_year"]:
        return one("year", int(groups["short_year"][1:]), groups["short_year"])
    if groups["low"]:
        return _range(text, match, one)
    if groups["before_money"]:
        amount = _value(groups["money"]) * _SCALES.get((groups["money_scale"] or "").lower(), 1)
        currency = _CURRENCIES[groups["before_money"].lower()]
        return one("money", (amount, currency), f"{amount:g} {currency}")
    if groups["fraction"]:
        top, bottom = re.split(r"\s?[/⁄]\s?", groups["fraction"])
        return one("number", int(top) / int(bottom), f"{top}/{bottom}") if int(bottom) else []
    if groups["era"] or groups["era_after"]:
        year = int(groups["era"] or groups["era_after"])
        before = (groups["which_era"] or "ad").lower().startswith("b")
        return one("number", float(-year if before else year), f"{year} {'BC' if before else 'AD'}")
    if groups["ordinal"]:
        return one("ordinal", float(groups["ordinal"]), groups["ordinal"])
    if groups["number"]:
        return _number(groups, one)
    if groups["signed"]:
        return one("sign", groups["signed"].lower(), groups["signed"].lower())
    return _words(text, match)


def _number(groups: dict[str, Any], one: Any) -> list[Token]:
    amount = _value(groups["number"]) * _SCALES.get((groups["scale"] or "").lower(), 1)
    if groups["percent"]:
        return list(one("percent", amount, f"{amount:g}%"))
    if groups["currency"]:
        currency = _CURRENCIES[groups["currency"].lower()]
        if currency == "GBP" and groups["currency"].lower().startswith("pound"):
            return list(one("quantity", (amount, "pound"), f"{amount:g} pound"))
        return list(one("money", (amount, currency), f"{amount:g} {currency}"))
    if groups["unit"]:
        unit = _UNITS[groups["unit"].lower()]
        return list(one("quantity", (amount, unit), f"{amount:g} {unit}"))
    if re.fullmatch(r"\d+\.[1-9]0", groups["number"]):  # a version: 3.10 is not 3.1
        return list(one("number", (amount, groups["number"]), groups["number"]))
    return list(one("number", amount, f"{amount:g}" if abs(amount) < 1e6 else str(int(amount))))


def _range(text: str, match: re.Match[str], one: Any) -> list[Token]:
    low, high = match["low"].rstrip(".,"), match["high"]
    ends = [_value(re.sub(r"^[$€£¥]", "", part)) for part in (low, high)]
    joined = match[0].lower()
    if " and " in joined and not joined.startswith("between"):
        return _numbers(text, match)
    if len(high) == 2 and len(low) == 4 and ends[1] < 100:  # 1990-95
        ends[1] += ends[0] - ends[0] % 100
    return list(one("range", tuple(ends), f"{ends[0]:g} to {ends[1]:g}"))


def _numbers(text: str, match: re.Match[str]) -> list[Token]:
    """Each number within ``match`` by itself."""
    return [
        Token(
            f"{_value(part[0]):g}", "number", _value(part[0]), match.start() + part.start(), match.start() + part.end()
        )
        for part in re.finditer(_NUMBER, match[0])
    ]


def _compared(text: str, token: Token) -> Token:
    """``token`` as a bound, where *more than* or the like stands before it."""
    if token.kind not in ("number", "quantity", "money", "percent", "date"):
        return token
    before = _BEFORE.search(text[max(0, token.start - 16) : token.start])
    if before is None or before[2] is None:
        after = _AFTER.match(text, token.end)
        if after is None:
            return token
        sign = ">=" if after[1] else "<="
        return _bound(token, sign, token.start, after.end())
    sign = _COMPARED[re.sub(r"\s+", " ", before[2].lower())]
    return _bound(token, sign, max(0, token.start - 16) + before.start(2), token.end)


def _bound(token: Token, sign: str, start: int, end: int) -> Token:
    value = (sign, token.kind, token.value)
    return Token(f"{sign} {token.text}", "comparison", value, start, end)


def _value(number: str) -> float:
    digits = re.sub(r"[\s\u00a0\u202f,]", "", number).replace("\u2212", "-")
    if digits.count(".") > 1:
        digits = digits.replace(".", "")
    return float(digits)


def _clock(one: Any, text: str) -> list[Token]:
    """*noon*, *nine in the morning*."""
    named = {"noon": "12:00 pm", "midday": "12:00 pm", "midnight": "12:00 am"}
    if text in named:
        return _time(one, named[text])
    digits = re.match(r"\d{1,2}(?:[:.]\d{2})?", text)
    half = "am" if text.endswith("morning") else "pm"
    return _time(one, f"{digits[0] if digits else ''} {half}")


def _time(one: Any, text: str) -> list[Token]:
    from dateutil import parser

    try:
        plain = re.sub(r"\s?o'?clock", ":00", text).replace(".m.", "m").replace(".", ":")
        moment = parser.parse(plain)
    except (ValueError, OverflowError):
        return list(one("ratio", text, text))
    return list(one("time", (moment.hour, moment.minute), f"{moment:%H:%M}"))


def _dates(text: str) -> tuple[tuple[int, int, int], ...]:
    """(year, month, day), 0 for what is not said; both readings of 3/4/1990."""
    from dateutil import parser

    found = []
    for day_first in (False, True):
        parts = []
        for base in (datetime(4, 1, 1), datetime(8, 2, 2)):  # what differs between the two is not said
            try:
                plain = re.sub(r"\b(of|the|day)\b", " ", text)
                parts.append(parser.parse(plain, default=base, dayfirst=day_first and "-" not in text))
            except (ValueError, OverflowError):
                return ()
        first, second = parts
        fields = ("year", "month", "day")
        date = tuple(getattr(first, f) if getattr(first, f) == getattr(second, f) else 0 for f in fields)
        found.append(date)
    return tuple(dict.fromkeys(found))  # type: ignore[arg-type]  # three fields each


def _shown_date(date: tuple[int, int, int]) -> str:
    year, month, day = date
    return "-".join((f"{year:04}" if year else "?", f"{month:02}" if month else "?", f"{day:02}" if day else "?"))


def _words(text: str, match: re.Match[str]) -> list[Token]:
    """Words as they are compared; a numeral behind a capital word has a value, too."""
    raw, (start, end) = match[0], match.span()
    found = []
    for word in folded_words(raw):
        word = _FULL_MONTHS.get(word, word)
        found.append(Token(word, "word", None, start, end, raw[:1].isupper()))
    if len(found) == 1 and raw.isupper() and (roman := _ROMAN.fullmatch(raw)) and start:
        before = re.search(r"(\w+)\s$", text[:start])
        if before and before[1][:1].isupper() and (len(raw) > 1 or raw in "IVX"):
            return [found[0]._replace(kind="roman", value=float(_roman(roman[0])))]
    return found


def _roman(text: str) -> int:
    values = [_LETTERS[letter] for letter in text]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def same_value(target: Token, token: Token, alone: bool = False) -> bool:
    """Whether ``token`` of an answer says the value ``target``.

    ``alone``: it is all that the answer says. A bare number then stands for the same number with its
    unit, as the question names it.
    """
    kinds = (target.kind, token.kind)
    if kinds == ("date", "date"):
        return any(_covers(want, have) for want in target.value for have in token.value)
    if kinds == ("number", "date"):
        return any(target.value == have[0] for have in token.value)
    if kinds == ("number", "year") or kinds == ("year", "number"):
        return bool(target.value % 100 == token.value % 100)
    if kinds == ("decade", "decade"):
        return bool(
            target.value % 100 == token.value % 100
            if min(target.value, token.value) < 100
            else target.value == token.value
        )
    plain = ("number", "ordinal", "roman")
    if kinds[0] in plain and kinds[1] in plain:
        return bool(target.value == token.value)
    if kinds == ("time", "number"):  # at 11.45
        return bool(f"{token.value:.2f}" == f"{target.value[0]}.{target.value[1]:02}" and token.value % 1)
    if kinds == ("quantity", "quantity"):
        return _same_quantity(target.value, token.value)
    if "quantity" in kinds and "money" in kinds:  # pounds
        (amount, unit), (other, currency) = (
            (target.value, token.value) if kinds[0] == "quantity" else (token.value, target.value)
        )
        return bool(amount == other and (unit, currency) == ("pound", "GBP"))
    if kinds[0] == "number" and kinds[1] in ("quantity", "percent"):
        amount = token.value[0] if kinds[1] == "quantity" else token.value
        return bool(target.value == amount)
    if alone and kinds[1] == "number" and kinds[0] in ("quantity", "percent", "money"):
        amount = target.value if kinds[0] == "percent" else target.value[0]
        return bool(amount == token.value)
    return target.kind == token.kind and target.value == token.value


def _covers(want: tuple[int, int, int], have: tuple[int, int, int]) -> bool:
    """Every field that ``want`` says, ``have`` says, too."""
    return all(h == w for w, h in zip(want, have, strict=True) if w)


@lru_cache(maxsize=4096)
def _same_quantity(one: tuple[float, str], other: tuple[float, str]) -> bool:
    if one[1] == other[1]:
        return one[0] == other[0]
    registry = _registry()
    try:
        a = registry.Quantity(one[0], one[1]).to_base_units()
        b = registry.Quantity(other[0], other[1]).to_base_units()
        if a.dimensionality != b.dimensionality:
            return False
    except Exception:  # pint's errors share no base class, and all mean that it cannot be compared
        return False
    return bool(abs(a.magnitude - b.magnitude) <= _TOLERANCE * max(abs(a.magnitude), abs(b.magnitude)))


@lru_cache(maxsize=1)
def _registry() -> Any:
    from pint import UnitRegistry

    return UnitRegistry()
