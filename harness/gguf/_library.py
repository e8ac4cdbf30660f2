"""The two libraries behind this package, which are optional, and llama.cpp's log, which says why it failed."""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from typing import Any

from harness.errors import MissingExtraError

_PASSED_ON = re.compile(r"^\w+: ((error loading model|failed to quantize|failed to apply lora adapter): )?")
_WARNING, _ERROR, _CONTINUED = 3, 4, 5
_said: deque[tuple[int, str]] = deque(maxlen=4096)


def gguf() -> Any:
    """The ``gguf`` package. Raises MissingExtraError where it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("gguf", "gguf") from error
    return gguf


@lru_cache(maxsize=1)
def llama() -> Any:
    """llama.cpp's C functions, with its log kept, not printed. Raises MissingExtraError where they are missing."""
    try:
        import llama_cpp
    except ImportError as error:
        raise MissingExtraError("llama-cpp-python", "gguf") from error
    except (RuntimeError, OSError) as error:
        found = f"found, but its library does not load: {error}"
        raise MissingExtraError("llama-cpp-python", "gguf", found) from error
    llama_cpp.llama_log_set(_callback(), None)
    llama_cpp.llama_backend_init()
    return llama_cpp


def forget() -> None:
    """Empty the log, so that what ``reason`` quotes belongs to what comes next."""
    _said.clear()


def reason() -> str:
    """llama.cpp's last error since ``forget``, without the names of the functions that passed it on."""
    lines = [line for level, line in _lines() if level == _ERROR] or ["llama.cpp gave no reason"]
    causes = [line for line in lines if "failed to load model" not in line] or lines
    return _PASSED_ON.sub("", causes[-1])


def warnings() -> list[str]:
    """llama.cpp's warnings since ``forget``."""
    return [line for level, line in _lines() if level == _WARNING]


@lru_cache(maxsize=1)
def _callback() -> Any:
    """Kept for the life of the process, as C keeps its address."""
    import llama_cpp

    def keep(level: int, text: bytes, _: object) -> None:
        if level >= _WARNING:
            _said.append((level, text.decode("utf-8", "replace")))

    return llama_cpp.llama_log_callback(keep)


def _lines() -> list[tuple[int, str]]:
    """Whole lines: llama.cpp may print one in several calls."""
    found: list[tuple[int, str]] = []
    whole = True
    for level, text in _said:
        if found and (level == _CONTINUED or (not whole and level == found[-1][0])):
            found[-1] = (found[-1][0], found[-1][1] + text)
        else:
            found.append((level, text))
        whole = text.endswith("\n")
    return [(level, " ".join(line.split())) for level, line in found if line.strip()]
