"""Names: other names by rule, parts of longer names, and scripts without spaces between words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from harness.grading._text import COUNTRIES, DESCRIBES, KINDS_OF_PLACE, MAKES_ANOTHER
from harness.grading._values import Token

_SHORT_COUNTRIES = {"USA", "US", "UK", "UAE"}
_RELATED = re.compile(
    r"\b(?:student|pupil|teacher|son|daughter|child|brother|sister|wife|husband|widow|father|mother"
    r"|cousin|uncle|aunt|nephew|niece|friend|follower|disciple|apprentice|colleague|assistant"
    r"|rival|duke|duchess|earl|count|countess|prince|princess|king|queen|bishop|archbishop|baron"
    r"|mayor|suburb|outskirts|north|south|east|west|border|coast)s? of (?:the )?$"
    r"|\bwho (?:had |has )?(?:beat|defeated|succeeded|replaced|preceded|followed|married|taught|met"
    r"|influenced|inspired) $",
    re.IGNORECASE,
)
"""Before a name: *a student of Rembrandt*, *who taught Rembrandt* mean another person."""


@lru_cache(maxsize=4096)
def aliases(name: str) -> tuple[str, ...]:
    """Other names by rule.

    These are acronyms (*NATO*), names of a country by ISO 3166, and *Everest* for *Mount Everest*.
    """
    others = []
    if len(short := acronym(name)) >= 3:
        others.append(short)
    others.extend(_countries().get(name.casefold().removeprefix("the "), ()))
    words = name.split()
    if len(words) == 2:
        is_kind = [word.lower().rstrip(".") in KINDS_OF_PLACE for word in words]
        if any(is_kind):
            others.extend(word for word, kind in zip(words, is_kind, strict=True) if not kind)
    return tuple(dict.fromkeys(others))


def acronym(name: str) -> str:
    """First letters of the capitalised words of ``name``; empty where it has a numeral."""
    words = [word for word in re.findall(r"[^\W\d_]+", name) if word[:1].isupper()]
    if re.search(r"\d", name) or any(len(word) > 1 and word.isupper() for word in words):
        return ""
    return "".join(word[0] for word in words)


def is_part_of_name(
    text: str, target: Sequence[Token], run: Sequence[Token], near: Sequence[Token | None]
) -> bool:
    """Whether ``run``, which matches ``target``, is part of a name of something else.

    Examples: *Guinea-Bissau*, *Finch's daughter*, *a student of Finch*, *South Sudan*,
    *Henry VIII*. ``near``: the tokens before and after ``run``, or None where there is none or
    something other than spaces is between.
    """
    start, end = run[0].start, run[-1].end
    before, after = text[max(0, start - 40) : start], text[end : end + 40]
    if re.match(r"-\w", after) or re.search(r"\w-$", before) or _RELATED.search(before):
        return True
    possessive = re.search(r"['\u2019]s$", text[start:end]) and target[-1].text[-1:] != "s"
    if possessive and re.match(r"\s+[a-zA-Z]", after):
        return True
    if re.match(r"\s+\w+['\u2019]s\s+\w", after):
        return True
    return _has_another_before(target, near[0]) or _has_another_after(target, near[1])


def _has_another_before(target: Sequence[Token], before: Token | None) -> bool:
    if before is None:
        return False
    first = target[0]
    if before.text in MAKES_ANOTHER and before.text != first.text:
        # The great Edda Finch is Edda Finch, but the Blue Nile is not the Nile.
        describes = before.text in DESCRIBES and not before.capital
        return not (describes and first.capital)
    if len(target) == 1 and before.kind == "word" and before.capital and first.capital:
        pair = f"{before.text} {first.text}"
        return pair in _countries() or pair in _pairs_in_countries()
    return False


def _has_another_after(target: Sequence[Token], after: Token | None) -> bool:
    if after is None:
        return False
    last = target[-1]
    if after.kind == "roman":
        return last.kind != "roman"
    if after.kind != "word":
        return False
    if last.capital and f"{last.text} {after.text}" in _pairs_in_countries():
        return True
    if len(target) == 1:
        return last.capital and after.capital  # Emma, and Emma Watson
    return after.text in ("junior", "senior", "jr", "sr")


@lru_cache(maxsize=1)
def _countries() -> dict[str, tuple[str, ...]]:
    """The other names of each country, by each of its names in lower case."""
    import pycountry  # takes 0.1 s, so only where the answer is not the name itself

    others: dict[str, tuple[str, ...]] = {}
    heads = Counter(country.name.partition(",")[0] for country in pycountry.countries)
    for country in pycountry.countries:
        fields = ("name", "alpha_2", "alpha_3", "official_name", "common_name")
        names = {getattr(country, field) for field in fields if hasattr(country, field)}
        head = country.name.partition(",")[0]
        names |= {head} if heads[head] == 1 else set()  # "Korea" names two countries
        names |= set(COUNTRIES.get(country.alpha_2, ()))
        usual = sorted(name for name in names if len(name) > 3 or name in _SHORT_COUNTRIES)
        for name in names:
            if len(name) > 2 or name in _SHORT_COUNTRIES:
                rest = (other for other in usual if other != name)
                others[name.casefold()] = (*others.get(name.casefold(), ()), *rest)
    return others


@lru_cache(maxsize=1)
def _pairs_in_countries() -> frozenset[str]:
    """Pairs of neighbouring words in names of countries: *guinea bissau*."""
    return frozenset(
        f"{word} {after}"
        for name in _countries()
        for word, after in pairwise(re.findall(r"\w+", name))
        if word not in ("of", "the")
    )


# Scripts that put no spaces between words, or whose words \w does not match (Chinese, Japanese,
# Korean, Thai and its neighbours, the scripts of India). Names in them are searched letter by
# letter. Which characters may stand beside a name depends on the script.
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
"""After a name in Korean: the particles and forms of *to be* that are joined to it."""
_THAI_BEFORE = re.compile(
    f"(?:^|[^{_SOUTH_EAST_ASIAN}]|คือ|เป็น|ใช่|เมือง|จังหวัด|ประเทศ|ที่|ใน|โดย|นาย|นาง)$"
)
"""Before a name in Thai, which has no spaces: words such as *is*, *city*, *Mr*."""
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
"""*and B*, *or B* after a name in Chinese, Japanese and Korean; と before a verb does not join."""
_JOINS_BEFORE = re.compile(
    _LETTERS
    + "(?:和|与|與|及|或者?|还是|還是|または|あるいは|と|や|か)$"
    + "|(?:와|과|하고|이나|나|랑|또는|혹은|그리고) $"
)


def is_in_script(name: str) -> bool:
    """Whether ``name`` is in a script that is searched letter by letter."""
    return _IN_SCRIPT.search(name) is not None


def places(text: str, name: str) -> Iterator[tuple[int, int]]:
    """Start and end of each place where ``name`` is a whole word in ``text``."""
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
    """Whether ``text`` from ``start`` to ``end`` is a whole word, by a Chinese segmenter.

    Never in a Japanese text: there a name beside another Han character is part of a longer word.
    """
    if re.search(f"[{_KANA}]", text):
        return False
    cuts = _cuts(text)
    return start in cuts and end in cuts


@lru_cache(maxsize=1024)
def _cuts(text: str) -> frozenset[int]:
    """The ends of the Chinese words in ``text``."""
    return frozenset({0, *(end for _, _, end in _segmenter().tokenize(text))})


@lru_cache(maxsize=4096)
def _simplified(text: str) -> str:
    """Traditional Chinese characters as simplified ones; the length does not change."""
    if not re.search(f"[{_HAN}]", text):
        return text
    simplified = str(_converter().convert(text))
    # Places are used in the original text, so the lengths must be equal.
    return simplified if len(simplified) == len(text) else text


@lru_cache(maxsize=1)
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    import logging

    import jieba  # takes 1 s, so only for Chinese names within a sentence

    jieba.setLogLevel(logging.ERROR)
    return jieba
