"""Smaller types for a GGUF file, by llama.cpp's own quantiser."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

from harness.errors import ModelError
from harness.gguf._files import written
from harness.gguf._library import forget, gguf, llama, reason, warnings

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
"""Types a base can have, by llama.cpp's names in lower case."""
_UNFIT = re.compile(r"warning: (\S+) - ncols (\d+) not divisible by (\d+)")


def quantise(source: Path, out: Path, kind: str, threads: int = 2) -> None:
    """Write the GGUF file ``source`` to ``out`` with weights of type ``kind`` by ``llama_model_quantize``.

    Raises:
        ModelError: unknown type, no or a broken ``source``, one that is quantised already, or rows that do not divide
            into the blocks of ``kind`` (256 numbers for the k-quants, 32 for the others).
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
        if library.llama_model_quantize(os.fsencode(source), os.fsencode(part), ctypes.byref(params)):
            raise ModelError(f"{source} cannot be quantised to {kind}: {reason()}")
        _check_rows(kind)


def check_kind(kind: str) -> None:
    """Raises ModelError where ``kind`` is none of TYPES."""
    if kind not in TYPES:
        raise ModelError(f"GGUF type {kind!r} is unknown: choose one of {', '.join(TYPES)}")


def _check_rows(kind: str) -> None:
    """llama.cpp takes another type where rows do not fit: refused, as a result would bear the wrong name."""
    block = 256 if "_k" in kind else 32
    for line in warnings():
        unfit = _UNFIT.search(line)
        if unfit and int(unfit[2]) % block:
            others = [name for name in TYPES if "_k" not in name] if int(unfit[2]) % 32 == 0 else ["f32", "f16", "bf16"]
            raise ModelError(
                f"{kind} needs rows divisible by {block}, but {unfit[1]} has {unfit[2]}: choose {', '.join(others)}"
            )
