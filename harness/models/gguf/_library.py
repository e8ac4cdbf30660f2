"""What conversions share: llama.cpp and its log, weights of a folder, and the quantiser."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from harness.errors import MissingExtraError, ModelError

_PREFIX = re.compile(
    r"^\w+: ((error loading model|failed to quantize|failed to apply lora adapter): )?"
)
"""Names of llama.cpp's functions that pass an error on."""
# ggml_log_level: GGML_LOG_LEVEL_WARN, _ERROR and _CONT
_WARNING = 3
_ERROR = 4
_CONTINUED = 5
# types of values in the metadata (gguf_metadata_value_type), as struct names numbers
_NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING = 8
_LIST = 9
_messages: deque[tuple[int, str]] = deque(maxlen=4096)
"""Level and text, as llama.cpp logs them."""

Array = npt.NDArray[Any]


def gguf() -> Any:
    """The ``gguf`` package. Raises MissingExtraError where it is not installed."""
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("gguf", "gguf") from error
    return gguf


def header(file: Path) -> dict[str, Any]:
    """The metadata of the GGUF ``file`` by key, without its lists.

    It needs no package, and milliseconds where ``gguf.GGUFReader`` takes seconds for the lists of
    tokens. Of a damaged file it returns what can be read: llama.cpp reports the damage.
    """
    metadata: dict[str, Any] = {}
    try:
        with file.open("rb") as stream:
            _, _, _, count = struct.unpack("<4sIQQ", stream.read(24))
            for _ in range(count):
                key = _string(stream)
                (kind,) = struct.unpack("<I", stream.read(4))
                if kind == _LIST:
                    _skip_list(stream)
                else:
                    metadata[key] = _value(stream, kind)
    except (struct.error, KeyError, UnicodeDecodeError, OverflowError):
        return metadata
    return metadata


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(stream)
    code = _NUMBERS[kind]
    (value,) = struct.unpack(f"<{code}", stream.read(struct.calcsize(f"<{code}")))
    return value


def _string(stream: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", stream.read(8))
    return stream.read(length).decode("utf-8")


def _skip_list(stream: BinaryIO) -> None:
    kind, count = struct.unpack("<IQ", stream.read(12))
    if kind in _NUMBERS:
        stream.seek(count * struct.calcsize(f"<{_NUMBERS[kind]}"), os.SEEK_CUR)
        return
    for _ in range(count):
        if kind == _LIST:
            _skip_list(stream)
        else:
            (length,) = struct.unpack("<Q", stream.read(8))
            stream.seek(length, os.SEEK_CUR)


@lru_cache(maxsize=1)
def llama() -> Any:
    """llama.cpp's C functions; its log is stored here, not printed.

    Raises MissingExtraError where the library is missing or does not load.
    """
    try:
        import llama_cpp
    except ImportError as error:
        raise MissingExtraError("llama-cpp-python", "gguf") from error
    except (RuntimeError, OSError) as error:
        problem = f"found, but its library does not load: {error}"
        raise MissingExtraError("llama-cpp-python", "gguf", problem) from error
    llama_cpp.llama_log_set(_callback(), None)
    llama_cpp.llama_backend_init()
    return llama_cpp


def forget() -> None:
    """Empty the log, so that ``reason`` quotes only the next call of llama.cpp."""
    _messages.clear()


def reason() -> str:
    """llama.cpp's last error since ``forget``, without names of its functions."""
    lines = [line for level, line in _lines() if level == _ERROR] or ["llama.cpp gave no reason"]
    causes = [line for line in lines if "failed to load model" not in line] or lines
    return _PREFIX.sub("", causes[-1])


def warnings() -> list[str]:
    """llama.cpp's warnings since ``forget``."""
    return [line for level, line in _lines() if level == _WARNING]


@lru_cache(maxsize=1)
def _callback() -> Any:
    """Cached for the life of the process, because C keeps its address."""
    import llama_cpp

    def store(level: int, text: bytes, _: object) -> None:
        if level >= _WARNING:
            _messages.append((level, text.decode("utf-8", "replace")))

    return llama_cpp.llama_log_callback(store)


def _lines() -> list[tuple[int, str]]:
    """Level and text of whole lines: llama.cpp may log one line in several calls."""
    lines: list[tuple[int, str]] = []
    complete = True
    for level, text in _messages:
        if lines and (level == _CONTINUED or (not complete and level == lines[-1][0])):
            lines[-1] = (lines[-1][0], lines[-1][1] + text)
        else:
            lines.append((level, text))
        complete = text.endswith("\n")
    return [(level, " ".join(line.split())) for level, line in lines if line.strip()]


class Weights:
    """Tensors of one or several safetensors files by name; only their shapes are in memory."""

    def __init__(
        self,
        files: list[Path],
        name_of: Callable[[str], str],
        is_transposed: Callable[[str], bool],
    ) -> None:
        """``name_of`` maps names in the files to those here, and to nothing what is left out.

        Raises ModelError where a file is missing or is not a safetensors file.
        """
        from safetensors import SafetensorError, safe_open

        self.shapes: dict[str, tuple[int, ...]] = {}
        self._is_transposed = is_transposed
        self._files: dict[str, tuple[Any, str]] = {}
        for path in files:
            try:
                # torch, as numpy knows no bfloat16
                opened: Any = safe_open(path, framework="pt")
            except (OSError, SafetensorError) as error:
                raise ModelError(
                    f"{path} cannot be read: {error}; save it again with save_pretrained"
                ) from error
            for stored in opened.keys():  # noqa: SIM118, as safe_open is not a dictionary
                if name := name_of(stored):
                    shape = tuple(opened.get_slice(stored).get_shape())
                    self.shapes[name] = shape[::-1] if is_transposed(name) else shape
                    self._files[name] = (opened, stored)

    def read(self, name: str) -> Array:
        """The tensor in float32; of a linear layer outputs x inputs."""
        opened, stored = self._files[name]
        tensor: Array = opened.get_tensor(stored).float().numpy()
        return np.ascontiguousarray(tensor.T) if self._is_transposed(name) else tensor


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """A temporary file beside ``out``; it becomes ``out``, or is removed after an exception."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def permuted(rows: Array, heads: int) -> Array:
    """Rows of q or k in llama.cpp's order: it rotates neighbouring rows, transformers two halves.

    Source: ``LlamaModel.permute`` of llama.cpp's convert_hf_to_gguf.py.
    """
    shape = rows.shape
    return np.ascontiguousarray(
        rows.reshape(heads, 2, shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(shape)
    )


_FILE_TYPES = {
    "f32": "ALL_F32",
    "f16": "MOSTLY_F16",
    "bf16": "MOSTLY_BF16",
    "q4_0": "MOSTLY_Q4_0",
    "q4_1": "MOSTLY_Q4_1",
    "q5_0": "MOSTLY_Q5_0",
    "q5_1": "MOSTLY_Q5_1",
    "q8_0": "MOSTLY_Q8_0",
    "q2_k": "MOSTLY_Q2_K",
    "q3_k_s": "MOSTLY_Q3_K_S",
    "q3_k_m": "MOSTLY_Q3_K_M",
    "q3_k_l": "MOSTLY_Q3_K_L",
    "q4_k_s": "MOSTLY_Q4_K_S",
    "q4_k_m": "MOSTLY_Q4_K_M",
    "q5_k_s": "MOSTLY_Q5_K_S",
    "q5_k_m": "MOSTLY_Q5_K_M",
    "q6_k": "MOSTLY_Q6_K",
    "iq4_nl": "MOSTLY_IQ4_NL",
}
TYPES: tuple[str, ...] = tuple(_FILE_TYPES)
"""Types of a base, by llama.cpp's names in lower case."""
_FALLBACK = re.compile(r"warning: (\S+) - ncols (\d+) not divisible by (\d+)")


def quantise(source: Path, out: Path, kind: str, threads: int = 2) -> None:
    """Write the GGUF file ``source`` to ``out`` with weights of type ``kind``, by llama.cpp.

    Raises:
        ModelError: the type is unknown; ``source`` is missing, broken or quantised already; or its
            rows do not divide into the blocks of ``kind`` (256 numbers for the k-quants, 32 for
            the others).
    """
    check_kind(kind)
    if not source.is_file():
        raise ModelError(f"no such file {str(source)!r}: give a GGUF file made by convert_base")
    library = llama()
    params = library.llama_model_quantize_default_params()
    params.ftype = int(gguf().LlamaFileType[_FILE_TYPES[kind]])
    params.nthread = threads
    forget()
    with written(out) as part:
        if library.llama_model_quantize(
            os.fsencode(source), os.fsencode(part), ctypes.byref(params)
        ):
            raise ModelError(f"{source} cannot be quantised to {kind}: {reason()}")
        _check_rows(kind)


def check_kind(kind: str) -> None:
    """Raises ModelError where ``kind`` is none of TYPES."""
    if kind not in TYPES:
        raise ModelError(f"GGUF type {kind!r} is unknown: choose one of {', '.join(TYPES)}")


def _check_rows(kind: str) -> None:
    """Raise ModelError where llama.cpp used another type, because rows do not fit into blocks.

    The file would then not be what its name says.
    """
    block = 256 if "_k" in kind else 32
    for line in warnings():
        fallback = _FALLBACK.search(line)
        if not fallback:
            continue
        tensor, width = fallback[1], int(fallback[2])
        if width % block:
            others = ["f32", "f16", "bf16"]
            if width % 32 == 0:
                others = [name for name in TYPES if "_k" not in name]
            raise ModelError(
                f"{kind} needs rows divisible by {block}, but {tensor} has {width}: choose"
                f" {', '.join(others)}"
            )
