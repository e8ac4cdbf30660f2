"""Names in scripts that put no blanks between words, and Korean with its particles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = r"\u3040-\u30ff"
_HANGUL = r"\uac00-\ud7af"
_SPACELESS = re.compile(f"[{_HAN}{_KANA}{_HANGUL}]")
_PARTICLES = (
    "은|는|이|가|을|를|의|에|에서|로|으로|와|과|도|만|입니다|이다|다|였다|이었다|이에요|예요|였습니다|이었습니다|라고|이라고"
    "|인|야|이야|요|부터|까지|께서|랑|이랑"
)


def is_spaceless(name: str) -> bool:
    """Whether ``name`` is in Chinese, Japanese or Korean."""
    return _SPACELESS.search(name) is not None


def in_script(text: str, name: str) -> Iterator[tuple[int, int]]:
    """Start and end of each place where ``name`` stands in ``text`` as words of its own."""
    name, text = _simplified(name.strip()), _simplified(text)
    for match in re.finditer(re.escape(name), text):
        if _bounded(text, match.start(), match.end()):
            yield match.span()


def _bounded(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end:]
    if re.match(f"[{_HANGUL}]", text[start]):
        return not re.match(f"[{_HANGUL}]", before) and re.match(f"(?:{_PARTICLES})?(?![{_HANGUL}])", after) is not None
    if not re.match(f"[{_HAN}]", before) and not re.match(f"[{_HAN}]", after):
        return not (re.match(f"[{_KANA}]", text[start]) and re.match("[\u30a0-\u30ff]", before)) and not (
            re.match("[\u30a0-\u30ff]", text[end - 1]) and re.match("[\u30a0-\u30ff]", after)
        )
    if re.search(f"[{_KANA}]", text):
        return False  # Japanese: kana bound a word, Han characters do not
    cuts = _cuts(text)
    return start in cuts and end in cuts


@lru_cache(maxsize=1024)
def _cuts(text: str) -> frozenset[int]:
    """Where a segmenter parts Chinese words."""
    return frozenset({0, *(end for _, _, end in _segmenter().tokenize(text))})


@lru_cache(maxsize=4096)
def _simplified(text: str) -> str:
    """Traditional Chinese characters as simplified ones, one for one."""
    changed = str(_converter().convert(text))
    return changed if len(changed) == len(text) else text


@lru_cache(maxsize=1)
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)
    return jieba
