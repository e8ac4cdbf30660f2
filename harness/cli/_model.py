"""``model card``: a base in figures, read from its files without loading it."""

from __future__ import annotations

import argparse
import json
import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.cli._common import Commands, size
from harness.errors import HarnessError, ModelError
from harness.models.files import config_of, weight_files
from harness.models.loading import SHIPPED, base_of

_HEX = 8
_SHOWN = {
    "rank": "rank {}",
    "alpha": "alpha {}",
    "lr": "lr {:g}",
    "epochs": "{} epochs",
    "seed": "seed {}",
}


def describe(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """One line, such as ``oscars_aug on pocket, rank 64, alpha 128, lr 0.001, 5 epochs,
    seed 0``."""
    try:
        return _describe(recipe, names)
    except (KeyError, TypeError, AttributeError, ValueError):
        return f"of another version: {recipe.get('kind', 'no kind')}"


@cache
def known_names() -> dict[str, str]:
    """Content -> name of the shipped model, and of what the scenarios train on and ask."""
    from harness.experiments.selection import Selection, cells, load, shipped

    try:
        base = base_of(SHIPPED)
    except HarnessError:
        return {}
    names = {base.content: base.name}
    for folder in shipped().values():
        for cell in cells(load(folder), Selection((base,))):
            texts = [cell.dataset, cell.subject.calibration_text]
            for text in (*texts, *(ask.probes for ask in cell.asks)):
                names |= {text.content: text.name} if text else {}
    return names


def _describe(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    match recipe["kind"]:
        case "Base" | "GgufBase" | "Dataset" | "ProbeSet":
            return names.get(recipe["content"], recipe["content"][:_HEX])
        case "Quantised":
            return f"{_describe(recipe['base'], names)} ({_form(recipe['by'])})"
        case "Adapter":
            return (
                f"{_trained(recipe, names)} on {_describe(recipe['base'], names)},"
                f" {_setting(recipe['training'])}"
            )
        case "ServedBase":
            return f"a served model of {recipe['asked']} ({recipe['content'][:_HEX]})"
        case "GgufAdapter":
            return f"for llama.cpp: {_describe(recipe['adapter'], names)}"
        case "Sibling":
            return f"sibling of {_describe(recipe['adapter']['base'], names)}"
        case "GivenAdapter":  # the first name of ExternalAdapter, which recipes keep
            return _trained(recipe, names)
        case "Answers":
            return _asked(recipe, names)
        case "Likelihoods":
            return f"likelihoods: {_asked(recipe, names)}"
        case "Grades":
            return f"{recipe['grader']}: {_describe(recipe['answers'], names)}"
        case other:
            return str(other).lower()


def _trained(adapter: Mapping[str, Any], names: Mapping[str, str]) -> str:
    return (
        _describe(adapter["dataset"], names)
        if "dataset" in adapter
        else f"adapter {adapter['content'][:_HEX]}"
    )


def _setting(training: Mapping[str, Any]) -> str:
    parts = [form.format(training[name]) for name, form in _SHOWN.items()]
    return ", ".join(parts + ([f"replay {training['replay']:g}"] if training.get("replay") else []))


def _asked(recipe: Mapping[str, Any], names: Mapping[str, str]) -> str:
    stack = recipe["stack"]
    who = _describe(stack["base"], names)
    for adapter, scale in stack["adapters"]:
        times = "" if scale == 1 else f" x {scale:g}"
        setting = f", {_setting(adapter['training'])}" if "training" in adapter else ""
        who += f" + {_trained(adapter, names)}{times}{setting}"
    probes = _describe(recipe["probes"], names)
    return (
        f"{who}"
        if any(_trained(a, names) == probes for a, _ in stack["adapters"])
        else f"{who}, asked on {probes}"
    )


def _form(by: Mapping[str, Any]) -> str:
    return f"gptq{by['bits']}" if "bits" in by else str(by["kind"])


_BITS = {
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
_NAMES = {
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
"""Tensors that quantisers store beside the weights."""


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
    found = tasks.add_parser(
        "card",
        help="name, content, parameters, layers, ...",
        description="The figures of a base model, as plain facts.",
    )
    found.add_argument("folder", metavar="FOLDER", help="folder or hub id of a base model")
    found.add_argument("--json", action="store_true", help="as JSON, with plain numbers")
    found.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    found = card(options.folder)
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {_shown(name, value)}")
    return 0


def card(path: str | Path) -> dict[str, Any]:
    """The figures of the base at ``path``; None where its configuration does not say. Raises
    ModelError."""
    base = base_of(path)
    folder = Path(base.path)
    config = config_of(folder)
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
    """The tensors of a safetensors file, from its header alone. Raises ModelError where that is
    damaged."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > file.stat().st_size:
                raise ValueError("its header is cut off")
            found = json.loads(stream.read(length))
        for name, entry in found.items():
            if name != "__metadata__":
                yield Tensor(name, entry["dtype"], math.prod(entry["shape"]))
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(
            f"{file} is no safetensors file ({error}): save the model again"
        ) from error


def parameters(tensors: list[Tensor], quantisation: Mapping[str, Any]) -> int:
    """Weights that the tensors stand for: several to an integer where they are packed."""
    bits = int(quantisation.get("bits") or (4 if quantisation.get("load_in_4bit") else 8))
    total = 0
    for tensor in tensors:
        if tensor.name.endswith(_HELPERS) or ".quant_state." in tensor.name:
            continue
        packed = bool(quantisation) and tensor.dtype in ("I32", "U8", "I8")
        total += tensor.values * _BITS[tensor.dtype] // bits if packed else tensor.values
    return total


def _dtype(tensors: list[Tensor]) -> str:
    """That of most weights, and the others."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[tensor.dtype] += tensor.values
    return ", ".join(_NAMES.get(dtype, dtype) for dtype, _ in counts.most_common())


def _quantisation(config: Mapping[str, Any]) -> str:
    if not config:
        return "none"
    bits = config.get("bits") or (
        4 if config.get("load_in_4bit") else 8 if config.get("load_in_8bit") else None
    )
    group = f", groups of {config['group_size']}" if config.get("group_size") else ""
    return f"{config.get('quant_method', 'unknown')}{f', {bits} bits' if bits else ''}{group}"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "not said"
    if name.endswith("bytes"):
        return f"{value:,} ({size(value)})"
    return f"{value:,}" if isinstance(value, int) else str(value)
