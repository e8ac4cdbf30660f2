"""A PEFT LoRA as a GGUF adapter."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.adapters import lora_config, scaling
from harness.errors import ModelError
from harness.gguf._base import Shape, shape_of, tensor_name
from harness.gguf._files import Array, Weights, permuted, weights_of, written
from harness.gguf._library import gguf

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
# What changes the update and has no place in a GGUF adapter, with the values that change nothing
_REFUSED: dict[str, tuple[Any, ...]] = {
    "use_dora": (False,),
    "modules_to_save": ([],),
    "bias": ("none",),
    "lora_bias": (False,),
    "fan_in_fan_out": (False,),
    "trainable_token_indices": ([], {}),
    "target_parameters": ([],),
    "layer_replication": ([],),
    "alora_invocation_tokens": ([],),
    "use_qalora": (False,),
}
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


class Pair(NamedTuple):
    """The two tensors of an adapted module."""

    down: Array
    up: Array


def convert_adapter(adapter: Path, base: Path, out: Path) -> None:
    """Write the PEFT LoRA in the folder ``adapter``, made for the model in the folder ``base``, to ``out``.

    The layout is that of llama.cpp's convert_lora_to_gguf.py and llama-adapter.cpp: ``general.type`` adapter,
    ``adapter.type`` lora, one ``adapter.lora.alpha``, and ``<tensor>.lora_a`` and ``.lora_b`` of the rank's own size.
    llama.cpp scales by alpha / rank alone; what rsLoRA, rank_pattern and alpha_pattern say otherwise goes into alpha
    or, where modules differ, into ``lora_b``.

    Raises:
        ModelError: no safetensors LoRA in ``adapter``, one with more than linear updates (DoRA, biases, embeddings,
            modules_to_save), or one whose shapes are not those of ``base``.
    """
    config = lora_config(adapter)
    _check(adapter, config)
    weights = _weights(adapter)
    shape = shape_of(base)
    pairs = _pairs(adapter, weights)
    _check_shapes(base, pairs, weights_of(base))
    alpha = float(config.get("lora_alpha") or 0)
    if config.get("use_rslora"):
        alpha *= math.sqrt(config["r"])
    alpha = alpha or 1.0  # llama.cpp takes alpha 0 for no scaling at all
    library = gguf()
    with written(out) as part:
        writer = library.GGUFWriter(part, "llama")
        writer.add_type(library.GGUFType.ADAPTER)
        writer.add_string(library.Keys.Adapter.TYPE, "lora")
        writer.add_float32(library.Keys.Adapter.LORA_ALPHA, alpha)
        for module, pair in pairs.items():
            ratio = scaling(config, module, len(pair.down)) / (alpha / len(pair.down))
            name = tensor_name(f"{module}.weight", shape.layers)
            if name is None:
                raise ModelError(f"{module} of {adapter} is no layer of {base}: give the base that it was trained on")
            writer.add_tensor(f"{name}.lora_a", pair.down)
            writer.add_tensor(f"{name}.lora_b", _up(pair.up, ratio, module, shape))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _check(adapter: Path, config: dict[str, Any]) -> None:
    for name, harmless in _REFUSED.items():
        value = config.get(name)
        if value is not None and value not in harmless:
            raise ModelError(f"{adapter} has {name} {value!r}: a GGUF adapter cannot hold that, train without it")
    init = config.get("init_lora_weights")
    if isinstance(init, str) and init.lower().startswith(_CHANGES_BASE):
        raise ModelError(f"{adapter} has init_lora_weights {init!r}, which changes the base: train with the default")
    if not int(config.get("r") or 0) > 0:
        raise ModelError(f"{adapter} has rank {config.get('r')!r}: give an adapter saved by PEFT")


def _weights(adapter: Path) -> Weights:
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{adapter} has no adapter_model.safetensors: save it with save_pretrained, as pickle is unsafe"
        )
    return Weights([adapter / "adapter_model.safetensors"])


def _pairs(adapter: Path, weights: Weights) -> dict[str, Pair]:
    sides: dict[str, dict[str, Array]] = {}
    for key in weights.shapes:
        match = _KEY.fullmatch(key)
        if match is None or match["module"].rpartition(".")[2] not in PROJECTIONS:
            raise ModelError(
                f"tensor {key} of {adapter} has no place in a GGUF adapter: target {', '.join(PROJECTIONS)}"
            )
        sides.setdefault(match["module"], {})[match["side"]] = weights.read(key)
    if not sides:
        raise ModelError(f"{adapter} holds no LoRA tensors: save it again with save_pretrained")
    for module, found in sides.items():
        if len(found) != 2 or len(found["A"]) != found["B"].shape[1]:
            raise ModelError(f"{module} of {adapter} lacks a fitting lora_A or lora_B: save it again")
    return {module: Pair(found["A"], found["B"]) for module, found in sides.items()}


def _check_shapes(base: Path, pairs: dict[str, Pair], weights: Weights) -> None:
    for module, pair in pairs.items():
        name = f"{module}.weight"
        update = (pair.up.shape[0], pair.down.shape[1])
        if weights.shapes.get(name) != update:
            found = weights.shapes.get(name, "absent")
            raise ModelError(f"tensor {name} of {base} is {found}, the adapter's is {update}: give the adapter's base")


def _up(up: Array, ratio: float, module: str, shape: Shape) -> Array:
    heads = shape.heads_of(f"{module}.")
    ordered = permuted(up, heads) if heads else up
    # exactly 1 but for patterns: the numbers then stay as they were trained
    return ordered if math.isclose(ratio, 1.0, rel_tol=1e-6) else (ordered * np.float32(ratio)).astype(np.float32)
