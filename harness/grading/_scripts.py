"""Names in scripts that put no blanks between words, or whose words ``\\w`` does not know.

Chinese, Japanese, Korean, Thai and its neighbours, and the scripts of India are looked for letter
by letter; what may stand beside a name differs by script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

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
