"""Reading safetensors one tensor at a time, and writing files that are whole or absent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.checkpoint import INDEX, WHOLE, weight_files
from harness.errors import ModelError

Array = npt.NDArray[Any]


class Weights:
    """Tensors of one or several safetensors files by name; only their shapes are in memory."""

    def __init__(self, files: list[Path]) -> None:
        """Raises ModelError where a file is missing or is no safetensors file."""
        from safetensors import SafetensorError, safe_open

        self.shapes: dict[str, tuple[int, ...]] = {}
        self._of: dict[str, Any] = {}
        for path in files:
            try:
                # torch, as numpy knows no bfloat16
                opened: Any = safe_open(path, framework="pt")
            except (OSError, SafetensorError) as error:
                raise ModelError(f"{path} cannot be read: {error}; save it again with save_pretrained") from error
            for name in opened.keys():  # noqa: SIM118  # it is no dictionary
                self.shapes[name] = tuple(opened.get_slice(name).get_shape())
                self._of[name] = opened

    def read(self, name: str) -> Array:
        """The tensor in float32."""
        found: Array = self._of[name].get_tensor(name).float().numpy()
        return found


def weights_of(folder: Path) -> Weights:
    """Weights of a transformers folder, in one file or in shards. Raises ModelError."""
    if not any((folder / name).is_file() for name in (WHOLE, INDEX)):
        raise ModelError(f"{folder} has no {WHOLE}: save the model with save_pretrained")
    return Weights(weight_files(folder))


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """A temporary name beside ``out``, which becomes ``out`` where the block ends well and goes where it does not."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def permuted(rows: Array, heads: int) -> Array:
    """Rows of q or k in the order of llama.cpp, which rotates neighbouring pairs where transformers rotates halves.

    Source: ``LlamaModel.permute`` of llama.cpp's convert_hf_to_gguf.py.
    """
    shape = rows.shape
    return np.ascontiguousarray(rows.reshape(heads, 2, shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(shape))
