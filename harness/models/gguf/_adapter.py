"""A PEFT LoRA as a GGUF adapter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.errors import ModelError
from harness.models.adapters import check_plain, check_whole, lora_config, pairs, scaling, tensors
from harness.models.gguf._families import Shape, shape_of
from harness.models.gguf._library import Array, Weights, gguf, permuted, weights_of, written

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Pair(NamedTuple):
    """The two tensors of an adapted module."""

    down: Array
    up: Array


def convert_adapter(adapter: Path, base: Path, out: Path) -> None:
    """Write the PEFT LoRA in the folder ``adapter``, made for the model in the folder ``base``, to
    ``out``.

    The layout is that of llama.cpp's convert_lora_to_gguf.py and llama-adapter.cpp:
    ``general.type`` adapter, ``adapter.type`` lora, one ``adapter.lora.alpha``, and
    ``<tensor>.lora_a`` and ``.lora_b`` of the rank's own size. llama.cpp scales by alpha / rank
    alone; what rsLoRA, rank_pattern and alpha_pattern say otherwise goes into alpha or, where
    modules differ, into ``lora_b``.

    Raises:
        ModelError: no safetensors LoRA in ``adapter``, one with more than linear updates (DoRA,
            biases, embeddings, modules_to_save), or one whose shapes are not those of ``base``.
    """
    config = lora_config(adapter)
    check_plain(adapter, config)
    shape = shape_of(base)
    converted = _pairs(adapter)
    weights = weights_of(base)
    _check_shapes(base, converted, weights)
    linear = [
        name.removesuffix(".weight") for name, size in weights.shapes.items() if len(size) == 2
    ]
    known = [name for name in linear if name.rpartition(".")[2] in PROJECTIONS]
    check_whole(adapter, config, known, converted)
    alpha = float(config.get("lora_alpha") or 0)
    if config.get("use_rslora"):
        alpha *= math.sqrt(config["r"])
    alpha = alpha or 1.0  # llama.cpp takes alpha 0 for no scaling at all
    library = gguf()
    with written(out) as part:
        writer = library.GGUFWriter(part, shape.family.arch)
        writer.add_type(library.GGUFType.ADAPTER)
        writer.add_string(library.Keys.Adapter.TYPE, "lora")
        writer.add_float32(library.Keys.Adapter.LORA_ALPHA, alpha)
        for module, pair in converted.items():
            ratio = scaling(config, module, len(pair.down)) / (alpha / len(pair.down))
            name = shape.tensor_name(f"{module}.weight")
            if name is None:
                raise ModelError(
                    f"{module} of {adapter} is no layer of {base}: give the base that it was"
                    " trained on"
                )
            writer.add_tensor(f"{name}.lora_a", pair.down)
            writer.add_tensor(f"{name}.lora_b", _up(pair.up, ratio, module, shape))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def check_file(path: Path) -> None:
    """What llama.cpp does not look at in the GGUF adapter ``path``: that it has tensors, all
    finite.

    That each pair is whole, and fits a layer of the base, llama.cpp checks when it loads the file.

    Raises:
        ModelError: the file holds no adapter, no tensors, or a number that is not finite.
    """
    library = gguf()
    try:
        reader = library.GGUFReader(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no GGUF file: {error}") from error
    if not reader.tensors:
        raise ModelError(f"{path} holds no adapter: it has no tensors, convert it again")
    for tensor in reader.tensors:
        rows = library.quants.dequantize(tensor.data, tensor.tensor_type)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"tensor {tensor.name} of {path} is not finite: its training went wrong"
            )


def _pairs(adapter: Path) -> dict[str, Pair]:
    converted: dict[str, Pair] = {}
    for module, (down, up) in pairs(adapter, tensors(adapter)).items():
        if module.rpartition(".")[2] not in PROJECTIONS:
            line = f"{module} of {adapter} has no place in a GGUF adapter"
            raise ModelError(f"{line}: target {', '.join(PROJECTIONS)}")
        converted[module] = Pair(down.float().numpy(), up.float().numpy())
    return converted


def _check_shapes(base: Path, converted: dict[str, Pair], weights: Weights) -> None:
    for module, pair in converted.items():
        name = f"{module}.weight"
        update = (pair.up.shape[0], pair.down.shape[1])
        if weights.shapes.get(name) != update:
            found = weights.shapes.get(name, "absent")
            raise ModelError(
                f"tensor {name} of {base} is {found}, the adapter's is {update}: give the adapter's"
                " base"
            )


def _up(up: Array, ratio: float, module: str, shape: Shape) -> Array:
    heads = shape.heads_of(f"{module}.")
    ordered = permuted(up, heads) if heads else up
    # exactly 1 but for patterns: the numbers then stay as they were trained
    return (
        ordered
        if math.isclose(ratio, 1.0, rel_tol=1e-6)
        else (ordered * np.float32(ratio)).astype(np.float32)
    )
