"""Bases and adapters converted to GGUF."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.errors import ModelError
from harness.models.adapters import check_plain, check_whole, lora_config, pairs, scaling, tensors
from harness.models.files import INDEX, WHOLE, weight_files
from harness.models.gguf._families import Shape, shape_of
from harness.models.gguf._library import (
    Array,
    Weights,
    check_kind,
    gguf,
    quantise,
    written,
)
from harness.models.gguf._tokenizer import add_tokenizer

_DIRECT = {"f32": ("F32", "ALL_F32"), "f16": ("F16", "MOSTLY_F16"), "bf16": ("BF16", "MOSTLY_BF16")}

_PHI3 = re.compile(r"phi-?3", re.IGNORECASE)
"""llama.cpp treats three special tokens of models of this name otherwise, or fails without them.

That is for the tokenizer of the first Phi-3, which is not converted.
"""


def convert_base(folder: Path, out: Path, kind: str = "f32") -> None:
    """Write the model in ``folder`` to the file ``out``, in the type ``kind`` (one of TYPES).

    Keys and tensor names are those of the GGUF specification
    (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) and of llama.cpp's
    convert_hf_to_gguf.py. Where llama.cpp has no sliding attention for a family, the context is
    shortened to the window.

    Raises:
        ModelError: there is no model in ``folder``, it is outside FAMILIES, or it has settings that
            llama.cpp does not know.
    """
    check_kind(kind)
    if kind not in _DIRECT:
        full = out.with_name(f".{out.name}.{os.getpid()}.f32")
        try:
            convert_base(folder, full)
            quantise(full, out, kind)
        finally:
            full.unlink(missing_ok=True)
        return
    library = gguf()
    shape = shape_of(folder)
    weights = _weights(folder, shape)
    names = _names(folder, weights, shape)
    with written(out) as part:
        writer = library.GGUFWriter(part, shape.family.arch)
        tensor_type, file_type = _DIRECT[kind]
        _add_settings(writer, shape, folder.resolve().name, library.LlamaFileType[file_type])
        add_tokenizer(writer, folder, shape.config.vocab_size)
        # vectors (norms, biases) stay in float32, as llama.cpp wants them
        types = {
            name: library.GGMLQuantizationType[
                tensor_type if len(weights.shapes[name]) > 1 else "F32"
            ]
            for name in names
        }
        factors = rope_factors(shape)
        if factors is not None:
            writer.add_tensor_info(
                "rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes
            )
        for name, new in names.items():
            size = math.prod(weights.shapes[name]) * library.GGML_QUANT_SIZES[types[name]][1]
            writer.add_tensor_info(
                new, weights.shapes[name], np.dtype(np.float32), size, raw_dtype=types[name]
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for name in names:  # one at a time: the model may be larger than memory
            rows = _rows(weights, name, shape)
            writer.write_tensor_data(library.quants.quantize(rows, types[name]))
        writer.close()


def _weights(folder: Path, shape: Shape) -> Weights:
    """Weights of a transformers folder, in one file or in shards. Raises ModelError."""
    if not any((folder / name).is_file() for name in (WHOLE, INDEX)):
        raise ModelError(f"{folder} has no {WHOLE}: save the model with save_pretrained")
    return Weights(weight_files(folder), shape.name_of, shape.is_transposed)


def _names(folder: Path, weights: Weights, shape: Shape) -> dict[str, str]:
    """llama.cpp's name of every tensor to write. Raises ModelError for unknown or missing ones."""
    expected = set(shape.tensors())
    names: dict[str, str] = {}
    for name in weights.shapes:
        new = shape.tensor_name(name) if name in expected else None
        if new is None:
            line = f"tensor {name} of {folder} has no place in llama.cpp's {shape.family.arch}"
            raise ModelError(f"{line}: it is not converted")
        names[name] = new
    missing = sorted(expected - names.keys())
    if missing:
        raise ModelError(
            f"{folder} lacks tensor {missing[0]} (and {len(missing) - 1} more): save the model"
            " again"
        )
    return names


def _rows(weights: Weights, name: str, shape: Shape) -> Array:
    """The tensor ``name`` as llama.cpp stores it, in float32."""
    rows = shape.ordered(name, weights.read(name))
    offset = shape.offset_of(name)
    return rows + np.float32(offset) if offset else rows


def _add_settings(writer: Any, shape: Shape, name: str, file_type: int) -> None:
    config = shape.config
    rope = shape.rope()
    writer.add_type("model")
    writer.add_name(_PHI3.sub("Phi 3", name))
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf().GGML_QUANT_VERSION)
    writer.add_block_count(shape.layers)
    context = config.max_position_embeddings
    if not shape.family.windows:
        context = min(context, shape.window or context)
    writer.add_context_length(context)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.groups)
    writer.add_key_length(shape.width)
    writer.add_value_length(shape.width)
    writer.add_vocab_size(config.vocab_size)
    if shape.family.layer_norm:
        writer.add_layer_norm_eps(shape.epsilon)
    else:
        writer.add_layer_norm_rms_eps(shape.epsilon)
    if not shape.family.places.positions:
        writer.add_rope_dimension_count(shape.rotated)
        writer.add_rope_freq_base(float(rope.get("rope_theta", 10000.0)))
    if (parallel := getattr(config, "use_parallel_residual", None)) is not None:
        writer.add_parallel_residual(parallel)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf().RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    if shape.family.windows:
        writer.add_sliding_window(shape.window)
        writer.add_sliding_window_pattern(shape.period)
        writer.add_rope_freq_base_swa(float(shape.rope("sliding_attention")["rope_theta"]))
    if cap := getattr(config, "attn_logit_softcapping", None):
        writer.add_attn_logit_softcapping(float(cap))
    if cap := getattr(config, "final_logit_softcapping", None):
        writer.add_final_logit_softcapping(float(cap))


def rope_factors(shape: Shape) -> Array | None:
    """Divisors of the rotary frequencies, a tensor in llama.cpp; only for Llama 3.1 and later.

    As ``_compute_llama3_parameters`` of transformers.
    """
    rope = shape.rope()
    if rope["rope_type"] != "llama3":
        return None
    original_context = float(rope["original_max_position_embeddings"])
    low = float(rope["low_freq_factor"])
    high = float(rope["high_freq_factor"])
    exponents = np.arange(0, shape.width, 2) / shape.width
    wavelengths = 2 * np.pi * float(rope["rope_theta"]) ** exponents
    turns = original_context / wavelengths
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0)
    factors: Array = (1 / ((1 - smooth) / float(rope["factor"]) + smooth)).astype(np.float32)
    return factors


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
    modules = _pairs(adapter, shape.projections)
    weights = _weights(base, shape)
    _check_shapes(base, modules, weights)
    linear = [
        name.removesuffix(".weight") for name, size in weights.shapes.items() if len(size) == 2
    ]
    known = [name for name in linear if name.rpartition(".")[2] in shape.projections]
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
                    f"{module} of {adapter} is not a layer of {base}: give the base that it was"
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
        raise ModelError(f"{path} is not a GGUF file: {error}") from error
    if not reader.tensors:
        raise ModelError(f"{path} holds no adapter: it has no tensors, convert it again")
    for tensor in reader.tensors:
        rows = library.quants.dequantize(tensor.data, tensor.tensor_type)
        if not np.isfinite(rows).all():
            raise ModelError(
                f"tensor {tensor.name} of {path} is not finite: its training went wrong"
            )


def _pairs(adapter: Path, projections: Sequence[str]) -> dict[str, Pair]:
    """The tensors of each module in float32. Raises ModelError for one without place in GGUF."""
    converted: dict[str, Pair] = {}
    for module, (down, up) in pairs(adapter, tensors(adapter)).items():
        if module.rpartition(".")[2] not in projections:
            line = f"{module} of {adapter} has no place in a GGUF adapter"
            raise ModelError(f"{line}: target {', '.join(projections)}")
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
    ordered = shape.ordered(f"{module}.", up)
    # Without patterns the ratio is 1 but for rounding: the trained numbers then stay as they are.
    if math.isclose(ratio, 1.0, rel_tol=1e-6):
        return ordered
    return (ordered * np.float32(ratio)).astype(np.float32)
