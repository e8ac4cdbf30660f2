"""A PEFT LoRA converted to a GGUF adapter, and checks of such files."""

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
    """Write the PEFT LoRA in ``adapter``, trained on the model in the folder ``base``, to ``out``.

    The layout is that of llama.cpp's convert_lora_to_gguf.py and llama-adapter.cpp:
    ``general.type`` adapter, ``adapter.type`` lora, one ``adapter.lora.alpha``, and
    ``<tensor>.lora_a`` and ``.lora_b`` at the rank of the module. llama.cpp scales only by
    alpha / rank. Other scalings (rsLoRA, rank_pattern, alpha_pattern) go into alpha or, where
    modules differ, into ``lora_b``.

    Raises:
        ModelError: there is no safetensors LoRA in ``adapter``, it has more than linear updates
            (DoRA, biases, embeddings, modules_to_save), or its shapes are not those of ``base``.
    """
    config = lora_config(adapter)
    check_plain(adapter, config)
    shape = shape_of(base)
    modules = _pairs(adapter)
    weights = weights_of(base)
    _check_shapes(base, modules, weights)
    linear = [
        name.removesuffix(".weight") for name, size in weights.shapes.items() if len(size) == 2
    ]
    known = [name for name in linear if name.rpartition(".")[2] in PROJECTIONS]
    check_whole(adapter, config, known, modules)
    alpha = float(config.get("lora_alpha") or 0)
    if config.get("use_rslora"):
        alpha *= math.sqrt(config["r"])
    alpha = alpha or 1.0  # llama.cpp does not scale at all where alpha is 0
    library = gguf()
    with written(out) as part:
        writer = library.GGUFWriter(part, shape.family.arch)
        writer.add_type(library.GGUFType.ADAPTER)
        writer.add_string(library.Keys.Adapter.TYPE, "lora")
        writer.add_float32(library.Keys.Adapter.LORA_ALPHA, alpha)
        for module, pair in modules.items():
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
    """Check that the GGUF adapter ``path`` has tensors, and that all their numbers are finite.

    llama.cpp does not check that. When it loads the file, it checks that each pair is whole and
    fits a layer of the base.

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
    """The tensors of each module in float32. Raises ModelError for one without place in GGUF."""
    converted: dict[str, Pair] = {}
    for module, (down, up) in pairs(adapter, tensors(adapter)).items():
        if module.rpartition(".")[2] not in PROJECTIONS:
            line = f"{module} of {adapter} has no place in a GGUF adapter"
            raise ModelError(f"{line}: target {', '.join(PROJECTIONS)}")
        converted[module] = Pair(down.float().numpy(), up.float().numpy())
    return converted


def _check_shapes(base: Path, modules: dict[str, Pair], weights: Weights) -> None:
    for module, pair in modules.items():
        name = f"{module}.weight"
        update = (pair.up.shape[0], pair.down.shape[1])
        if weights.shapes.get(name) != update:
            stored = weights.shapes.get(name, "absent")
            raise ModelError(
                f"tensor {name} of {base} is {stored}, the adapter's is {update}: give the"
                " adapter's base"
            )


def _up(up: Array, ratio: float, module: str, shape: Shape) -> Array:
    """B as llama.cpp orders its rows, times ``ratio``."""
    heads = shape.heads_of(f"{module}.")
    ordered = permuted(up, heads) if heads else up
    # Without patterns the ratio is 1 but for rounding: the trained numbers then stay as they are.
    if math.isclose(ratio, 1.0, rel_tol=1e-6):
        return ordered
    return (ordered * np.float32(ratio)).astype(np.float32)
