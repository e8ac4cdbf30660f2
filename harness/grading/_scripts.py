r"""Names in scripts that put no blanks between words, or whose words ``\w`` does not know.

Chinese, Japanese, Korean, Thai and its neighbours, and the scripts of India are looked for letter
by letter; what may stand beside a name differs by script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

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


_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = r"\u3040-\u30ff"
_KATAKANA = r"\u30a0-\u30ff"
_HANGUL = r"\uac00-\ud7af"
_INDIC = r"\u0900-\u0dff"
_SOUTH_EAST_ASIAN = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_IN_SCRIPT = re.compile(f"[{_HAN}{_KANA}{_HANGUL}{_INDIC}{_SOUTH_EAST_ASIAN}]")
_KOREAN_AFTER = re.compile(
    r"(?:은|는|이|가|을|를|의|에|에서|로|으로|와|과|도|만|입니다|이다|다|였다|이었다|이에요|예요"
    r"|였습니다|이었습니다|라고|이라고|인|야|이야|요|부터|까지|께서|랑|이랑)?"
    f"(?![{_HANGUL}])"
)
"""Particles and forms of *to be*, which Korean joins to a name."""
_THAI_BEFORE = re.compile(
    f"(?:^|[^{_SOUTH_EAST_ASIAN}]|คือ|เป็น|ใช่|เมือง|จังหวัด|ประเทศ|ที่|ใน|โดย|นาย|นาง)$"
)
_THAI_AFTER = re.compile(f"(?:ครับ|ค่ะ|คะ|นะ|จ้ะ|เป็น|คือ)|[^{_SOUTH_EAST_ASIAN}]|$")

_LETTERS = f"[{_HAN}{_KANA}{_HANGUL}]"
_JOINS_AFTER = re.compile(
    "(?:和|与|與|及|或者?|还是|還是|または|あるいは|や|と(?![思考言い])|か(?![らもつなねと]))"
    + _LETTERS
    + "|(?:와|과|하고|이나|나|랑) "
    + _LETTERS
    + "| (?:또는|혹은|그리고) "
    + f"|、[{_HAN}{_KATAKANA}]{{1,8}}(?:、|です|でし|。|$)"
)
"""*A and B*, *A or B* in Chinese, Japanese and Korean; と before a verb joins none."""
_JOINS_BEFORE = re.compile(
    _LETTERS
    + "(?:和|与|與|及|或者?|还是|還是|または|あるいは|と|や|か)$"
    + "|(?:와|과|하고|이나|나|랑|또는|혹은|그리고) $"
)


def is_in_script(name: str) -> bool:
    """Whether ``name`` is in a script of this module."""
    return _IN_SCRIPT.search(name) is not None


def places(text: str, name: str) -> Iterator[tuple[int, int]]:
    """Start and end of each place where ``name`` stands in ``text`` by itself."""
    name, text = _simplified(name.strip()), _simplified(text)
    for match in re.finditer(re.escape(name), text):
        if _stands_alone(text, *match.span()):
            yield match.span()


def is_in_list(text: str, name: str) -> bool:
    """Whether ``text`` joins another name to ``name``: 李白和杜甫, 서울과 부산."""
    text, name = _simplified(text), _simplified(name.strip())
    return any(
        _JOINS_AFTER.match(text, end) or _JOINS_BEFORE.search(text[max(0, start - 8) : start])
        for start, end in places(text, name)
    )


def _stands_alone(text: str, start: int, end: int) -> bool:
    first, last, before, after = text[start], text[end - 1], text[start - 1 : start], text[end:]
    if _is(_HANGUL, first):
        return not _is(_HANGUL, before) and _KOREAN_AFTER.match(after) is not None
    if _is(_INDIC, first):
        return not _is(_INDIC, before) and not _is(_INDIC, after)
    if _is(_SOUTH_EAST_ASIAN, first):
        near = text[max(0, start - 8) : start]
        return _THAI_BEFORE.search(near) is not None and _THAI_AFTER.match(after) is not None
    if _is(_HAN, before) or _is(_HAN, after):
        return _is_chinese_word(text, start, end)
    longer = _is(_KANA, first) and _is(_KATAKANA, before)
    return not longer and not (_is(_KATAKANA, last) and _is(_KATAKANA, after))


def _is(script: str, text: str) -> bool:
    """Whether ``text`` begins with a letter of ``script``."""
    return re.match(f"[{script}]", text) is not None


def _is_chinese_word(text: str, start: int, end: int) -> bool:
    """Whether a segmenter cuts there; in Japanese only kana, and no Han character, part words."""
    if re.search(f"[{_KANA}]", text):
        return False
    cuts = _cuts(text)
    return start in cuts and end in cuts


@lru_cache(maxsize=1024)
def _cuts(text: str) -> frozenset[int]:
    """Where a segmenter parts Chinese words."""
    return frozenset({0, *(end for _, _, end in _segmenter().tokenize(text))})


@lru_cache(maxsize=4096)
def _simplified(text: str) -> str:
    """Traditional Chinese characters as simplified ones, one for one."""
    if not re.search(f"[{_HAN}]", text):
        return text
    changed = str(_converter().convert(text))
    return changed if len(changed) == len(text) else text


@lru_cache(maxsize=1)
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    import logging

    import jieba  # 1 s, for Chinese names within a sentence

    jieba.setLogLevel(logging.ERROR)
    return jieba
