"""``model card``: the figures of a base, read from its files without loading it."""

from __future__ import annotations

import argparse
import json
import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.cli._common import Commands, size
from harness.errors import ModelError
from harness.models.files import config_of, weight_files
from harness.models.loading import base_of

_BITS: Mapping[str, int] = {
    "F64": 64,
    "F32": 32,
    "F16": 16,
    "BF16": 16,
    "I64": 64,
    "I32": 32,
    "I16": 16,
    "I8": 8,
    "U8": 8,
}
_NAMES: Mapping[str, str] = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "I8": "int8",
}
_HELPERS = (
    ".qzeros",
    ".scales",
    ".g_idx",
    ".absmax",
    ".quant_map",
    ".nested_absmax",
    ".nested_quant_map",
    ".SCB",
)
"""Endings of tensors that quantisers store beside the weights: they hold no parameters."""


class Tensor(NamedTuple):
    """One entry of a safetensors header."""

    name: str
    dtype: str
    values: int


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "model", help="the figures of a base model", description="A base model in figures."
    )
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    task = tasks.add_parser(
        "card",
        help="name, content, parameters, layers, ...",
        description="The figures of a base model, as plain facts.",
    )
    task.add_argument("folder", metavar="FOLDER", help="folder or hub id of a base model")
    task.add_argument("--json", action="store_true", help="as JSON, with plain numbers")
    task.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    figures = card(options.folder)
    if options.json:
        print(json.dumps(figures, indent=1, ensure_ascii=False))
        return 0
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {_shown(name, value)}")
    return 0


def card(path: str | Path) -> dict[str, Any]:
    """The figures of the base at ``path``; None for what its configuration does not have.

    Raises ModelError where there is no base.
    """
    base = base_of(path)
    folder = Path(base.path)
    config = config_of(folder)
    # models of text and images keep the language model's figures below
    text: Mapping[str, Any] = config.get("text_config") or config
    files = weight_files(folder)
    tensors = [tensor for file in files for tensor in header(file)]
    quantisation = config.get("quantization_config") or {}
    return {
        "name": base.name,
        "content": base.content,
        "architecture": ", ".join(config.get("architectures") or []) or None,
        "parameters": parameters(tensors, quantisation),
        "layers": text.get("num_hidden_layers"),
        "hidden": text.get("hidden_size"),
        "heads": text.get("num_attention_heads"),
        "vocabulary": text.get("vocab_size"),
        "context": text.get("max_position_embeddings"),
        "dtype": _dtype(tensors),
        "quantisation": _quantisation(quantisation),
        "weights bytes": sum(file.stat().st_size for file in files),
        "folder bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    }


def header(file: Path) -> Iterator[Tensor]:
    """The tensors of a safetensors file, from its header alone.

    Raises ModelError where the header is damaged.
    """
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            # a damaged length would ask for more memory than there is
            if length > file.stat().st_size:
                raise ValueError("its header is cut off")
            entries = json.loads(stream.read(length))
        for name, entry in entries.items():
            if name != "__metadata__":
                yield Tensor(name, entry["dtype"], math.prod(entry["shape"]))
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(
            f"{file} is not a safetensors file ({error}): save the model again"
        ) from error


def parameters(tensors: list[Tensor], quantisation: Mapping[str, Any]) -> int:
    """The number of weights in ``tensors``; quantisers pack several weights into an integer."""
    bits = int(quantisation.get("bits") or (4 if quantisation.get("load_in_4bit") else 8))
    total = 0
    for tensor in tensors:
        if tensor.name.endswith(_HELPERS) or ".quant_state." in tensor.name:
            continue
        # GPTQ packs into 32-bit integers, bitsandbytes into bytes
        packed = bool(quantisation) and tensor.dtype in ("I32", "U8", "I8")
        total += tensor.values * _BITS[tensor.dtype] // bits if packed else tensor.values
    return total


def _dtype(tensors: list[Tensor]) -> str:
    """The dtypes, first that of most weights."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[tensor.dtype] += tensor.values
    return ", ".join(_NAMES.get(dtype, dtype) for dtype, _ in counts.most_common())


def _quantisation(config: Mapping[str, Any]) -> str:
    if not config:
        return "none"
    bits = config.get("bits")
    if not bits and config.get("load_in_4bit"):
        bits = 4
    if not bits and config.get("load_in_8bit"):
        bits = 8
    width = f", {bits} bits" if bits else ""
    group = f", groups of {config['group_size']}" if config.get("group_size") else ""
    return f"{config.get('quant_method', 'unknown')}{width}{group}"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "not said"
    if name.endswith("bytes"):
        return f"{value:,} ({size(value)})"
    return f"{value:,}" if isinstance(value, int) else str(value)
