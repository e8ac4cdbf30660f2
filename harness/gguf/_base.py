"""A transformers model of the Llama family as a GGUF file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.errors import ModelError
from harness.gguf._files import Array, Weights, permuted, weights_of, written
from harness.gguf._library import gguf
from harness.gguf._quantise import check_kind, quantise
from harness.gguf._tokenizer import add_tokenizer

FAMILIES = ("llama", "mistral")
_DIRECT = {"f32": ("F32", "ALL_F32"), "f16": ("F16", "MOSTLY_F16"), "bf16": ("BF16", "MOSTLY_BF16")}


class Shape(NamedTuple):
    """What a conversion needs to know about a model."""

    layers: int
    heads: int
    groups: int
    """Heads of keys and values."""
    width: int
    """Of a head."""
    config: Any

    def heads_of(self, name: str) -> int:
        """Heads whose rows llama.cpp orders otherwise in the tensor ``name``; 0 where it does not."""
        return self.heads if ".q_proj." in name else self.groups if ".k_proj." in name else 0


def convert_base(folder: Path, out: Path, kind: str = "f32") -> None:
    """Write the model of ``folder`` to ``out``; ``kind`` is one of TYPES.

    Keys and tensor names are those of the GGUF specification
    (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) and of llama.cpp's convert_hf_to_gguf.py. With sliding
    attention the context ends at its window, as llama.cpp attends to all of a Llama's context.

    Raises:
        ModelError: no model in ``folder``, one outside the Llama family, or settings that llama.cpp does not know.
    """
    check_kind(kind)
    if kind not in _DIRECT:
        whole = out.with_name(f".{out.name}.{os.getpid()}.f32")
        try:
            convert_base(folder, whole)
            quantise(whole, out, kind)
        finally:
            whole.unlink(missing_ok=True)
        return
    library = gguf()
    shape, weights = shape_of(folder), weights_of(folder)
    names = _names(folder, weights, shape)
    with written(out) as part:
        writer = library.GGUFWriter(part, "llama")
        _settings(writer, shape, folder.resolve().name, library.LlamaFileType[_DIRECT[kind][1]])
        add_tokenizer(writer, folder, shape.config.vocab_size)
        stored = {name: _DIRECT[kind][0] if len(weights.shapes[name]) > 1 else "F32" for name in names}
        factors = _rope_factors(shape)
        if factors is not None:
            writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
        for name, new in names.items():
            each = library.GGMLQuantizationType[stored[name]]
            size = math.prod(weights.shapes[name]) * library.GGML_QUANT_SIZES[each][1]
            writer.add_tensor_info(new, weights.shapes[name], np.dtype(np.float32), size, raw_dtype=each)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for name in names:  # one at a time: a model need not fit into memory
            heads = shape.heads_of(name)
            rows = permuted(weights.read(name), heads) if heads else weights.read(name)
            writer.write_tensor_data(library.quants.quantize(rows, library.GGMLQuantizationType[stored[name]]))
        writer.close()


def shape_of(folder: Path) -> Shape:
    """Raises ModelError where ``folder`` holds no model that can be converted."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json: give the folder of a transformers model")
    try:
        config: Any = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder}/config.json cannot be read: {line}") from error
    if config.model_type not in FAMILIES:
        raise ModelError(f"{folder} is a {config.model_type} model: only {' and '.join(FAMILIES)} become GGUF")
    if config.hidden_act != "silu":
        raise ModelError(f"{folder} has hidden_act {config.hidden_act!r}: llama.cpp's Llama has only 'silu'")
    if getattr(config, "quantization_config", None) is not None:
        raise ModelError(f"{folder} is quantised already: convert the model that it was made from")
    heads = int(config.num_attention_heads)
    width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    if width % 2:
        raise ModelError(f"{folder} has heads of {width} numbers: rotary embeddings need an even one")
    groups = int(getattr(config, "num_key_value_heads", None) or heads)
    return Shape(int(config.num_hidden_layers), heads, groups, width, config)


def tensor_name(name: str, layers: int) -> str | None:
    """llama.cpp's name of a tensor of transformers, with its suffix; None where a Llama has no such tensor."""
    library = gguf()
    found: str | None = library.get_tensor_name_map(library.MODEL_ARCH.LLAMA, layers).get_name(
        name, try_suffixes=(".weight",)
    )
    return found


def _names(folder: Path, weights: Weights, shape: Shape) -> dict[str, str]:
    """llama.cpp's name of every tensor to write."""
    tied = bool(shape.config.tie_word_embeddings)
    found: dict[str, str] = {}
    for name in weights.shapes:
        if name.endswith("rotary_emb.inv_freq") or (tied and name == "lm_head.weight"):
            continue  # derived, and a copy of the embedding
        new = tensor_name(name, shape.layers)
        if new is None:
            raise ModelError(f"tensor {name} of {folder} has no place in llama.cpp's Llama: it is not converted")
        found[name] = new
    expected = {"model.embed_tokens.weight", "model.norm.weight"} | (set() if tied else {"lm_head.weight"})
    expected |= {name for i in range(shape.layers) for name in _layer(i)}
    missing = sorted(expected - found.keys())
    if missing:
        raise ModelError(f"{folder} lacks tensor {missing[0]} (and {len(missing) - 1} more): save the model again")
    return found


def _layer(i: int) -> Iterator[str]:
    for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
        yield f"model.layers.{i}.self_attn.{part}.weight"
    for part in ("gate_proj", "up_proj", "down_proj"):
        yield f"model.layers.{i}.mlp.{part}.weight"
    yield f"model.layers.{i}.input_layernorm.weight"
    yield f"model.layers.{i}.post_attention_layernorm.weight"


def _settings(writer: Any, shape: Shape, name: str, file_type: int) -> None:
    config = shape.config
    rope = _rope(shape)
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf().GGML_QUANT_VERSION)
    writer.add_block_count(shape.layers)
    writer.add_context_length(min(config.max_position_embeddings, getattr(config, "sliding_window", None) or 1 << 30))
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.groups)
    writer.add_key_length(shape.width)
    writer.add_value_length(shape.width)
    writer.add_vocab_size(config.vocab_size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(shape.width)
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10000.0)))
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf().RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))


def _rope(shape: Shape) -> dict[str, Any]:
    """Rotary settings as transformers 5 keeps them; older files are brought to this form by AutoConfig."""
    rope = dict(getattr(shape.config, "rope_parameters", None) or {})
    rope.setdefault("rope_type", "default")
    if rope["rope_type"] not in ("default", "linear", "llama3") or rope.get("partial_rotary_factor", 1) != 1:
        raise ModelError(f"rotary settings {rope} are not converted: only default, linear and llama3 are")
    return rope


def _rope_factors(shape: Shape) -> Array | None:
    """Divisors of the rotary frequencies of Llama 3.1 and later, which llama.cpp takes as a tensor."""
    rope = _rope(shape)
    if rope["rope_type"] != "llama3":
        return None
    known = float(rope["original_max_position_embeddings"])
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    turns = known / (2 * np.pi * float(rope["rope_theta"]) ** (np.arange(0, shape.width, 2) / shape.width))
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0)
    found: Array = (1 / ((1 - smooth) / float(rope["factor"]) + smooth)).astype(np.float32)
    return found
