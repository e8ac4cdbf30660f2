"""Families of models that become GGUF, and the settings of each that llama.cpp can compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.errors import ModelError, first_line
from harness.models.gguf._library import Array, gguf, permuted

_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_NORMS = ("input_layernorm", "post_attention_layernorm")
_HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")
_GEMMA_NORMS = (*_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
_TANH = "gelu_pytorch_tanh"
_PHI = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
_NEOX_ATTENTION = ("attention.query_key_value", "attention.dense")
_NEOX_MLP = ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h")
_GPT2 = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
_MASKS = ("attn.bias", "attn.masked_bias", "attention.bias", "attention.masked_bias")
"""Buffers of older files that hold no numbers of the model."""


class Places(NamedTuple):
    """Where transformers keeps the parts of a model."""

    layers: str = "model.layers"
    embedding: str = "model.embed_tokens"
    norm: str = "model.norm"
    """The last norm."""
    positions: str = ""
    """Learned embeddings of positions, instead of a rotation."""


class Family(NamedTuple):
    """How llama.cpp computes the models of one ``model_type`` of transformers.

    Source: ``src/models/*.cpp`` of llama.cpp, and its ``conversion/*.py``.
    """

    arch: str
    """The name in GGUF and in ``gguf.MODEL_ARCH``."""
    activation: str = "silu"
    norms: tuple[str, ...] = _NORMS
    """The norms of one layer."""
    projections: tuple[str, ...] = _ATTENTION + _MLP
    """The linear layers of one layer."""
    places: Places = Places()
    biases: Mapping[str, tuple[str, ...]] = {}
    """Modules with a bias, by the setting that adds it; ``always`` stands for no setting."""
    neighbours: bool = False
    """Rotary embeddings pair neighbouring rows of q and k; transformers pairs two halves."""
    rotations: tuple[str, ...] = ("default", "linear")
    """Values of ``rope_type``."""
    unrotated: int = 0
    """One layer in so many has no rotation; 0 means that all have one."""
    partial: bool = False
    """Whether only the first numbers of a head may be rotated."""
    norm_offset: float = 0.0
    """Added to the weights of norms."""
    layer_norm: bool = False
    """Norms subtract the mean and have biases, unlike RMS norms."""
    head: str = ""
    """``tied``: the embedding is the output matrix, always; ``own``: never; empty: either."""
    interleaved: bool = False
    """q, k and v are one matrix with three parts for each head; llama.cpp wants three in all."""
    transposed: bool = False
    """Weights of linear layers are inputs x outputs."""
    settings: Mapping[str, Any] = {}
    """Values of other settings that llama.cpp takes for granted."""
    square: bool = False
    """All heads together are as wide as the model."""
    windows: bool = False
    """Some layers have sliding attention; without, the context is shortened to the window."""
    attention_cap: bool = False
    """Whether ``attn_logit_softcapping`` is always set; otherwise it never is."""
    logit_cap: bool = False
    """Whether ``final_logit_softcapping`` is always set; otherwise it may be."""
    largest: int = 0
    """Layers of the model whose queries are scaled by hidden_size / heads, not by head width."""


_LLAMA = Family(
    "llama",
    biases={"attention_bias": _ATTENTION, "mlp_bias": _MLP},
    neighbours=True,
    rotations=("default", "linear", "llama3"),
)
FAMILIES: dict[str, Family] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": Family("qwen2", biases={"always": _ATTENTION[:3]}, square=True),
    "qwen3": Family("qwen3", norms=(*_NORMS, *_HEAD_NORMS)),
    "gemma": Family("gemma", _TANH, norm_offset=1.0, head="tied"),
    "gemma2": Family(
        "gemma2",
        _TANH,
        _GEMMA_NORMS,
        rotations=("default",),
        norm_offset=1.0,
        head="tied",
        windows=True,
        attention_cap=True,
        logit_cap=True,
        largest=46,
    ),
    "gemma3_text": Family(
        "gemma3",
        _TANH,
        (*_GEMMA_NORMS, *_HEAD_NORMS),
        norm_offset=1.0,
        windows=True,
        largest=62,
    ),
    "phi3": Family("phi3", projections=_PHI, rotations=("default",), square=True),
    "olmo2": Family(
        "olmo2",
        norms=("post_attention_layernorm", "post_feedforward_layernorm", *_HEAD_NORMS),
        head="own",
        square=True,
    ),
    "smollm3": Family("smollm3", neighbours=True, unrotated=4, square=True),
    "gpt_neox": Family(
        "gptneox",
        "gelu",
        projections=_NEOX_ATTENTION + _NEOX_MLP,
        places=Places("gpt_neox.layers", "gpt_neox.embed_in", "gpt_neox.final_layer_norm"),
        biases={"always": _NEOX_ATTENTION + _NEOX_MLP},
        partial=True,
        layer_norm=True,
        head="own",
        interleaved=True,
        settings={"attention_bias": True},
    ),
    "gpt2": Family(
        "gpt2",
        "gelu_new",
        ("ln_1", "ln_2"),
        _GPT2,
        Places("transformer.h", "transformer.wte", "transformer.ln_f", "transformer.wpe"),
        {"always": _GPT2},
        layer_norm=True,
        transposed=True,
        settings={"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
    ),
}


class Shape(NamedTuple):
    """The settings of a model that a conversion needs."""

    family: Family
    layers: int
    heads: int
    groups: int
    """Heads of keys and values."""
    width: int
    """Numbers in one head."""
    config: Any

    def ordered(self, name: str, rows: Array) -> Array:
        """The rows of the tensor ``name``, or of an update of it, in the order of llama.cpp."""
        if self.family.interleaved and ".query_key_value." in name:
            parts = rows.reshape(self.heads, 3, self.width, -1).swapaxes(0, 1)
            return np.ascontiguousarray(parts.reshape(rows.shape))
        if self.family.neighbours and ".q_proj." in name:
            return permuted(rows, self.heads)
        if self.family.neighbours and ".k_proj." in name:
            return permuted(rows, self.groups)
        return rows

    def offset_of(self, name: str) -> float:
        """The number that llama.cpp has added to all of the tensor ``name``."""
        return self.family.norm_offset if name.endswith("norm.weight") else 0.0

    def name_of(self, stored: str) -> str:
        """The name that transformers gives the tensor ``stored``; empty for one of no use.

        Files of GPT-2 leave the first word out; those of GPT-NeoX name the output matrix otherwise.
        """
        if stored.endswith(("rotary_emb.inv_freq", *(f".{mask}" for mask in _MASKS))):
            return ""  # computed from the config
        if stored == "embed_out.weight":
            stored = "lm_head.weight"
        if self.tied and stored == "lm_head.weight":
            return ""  # a copy of the embedding
        places = self.family.places
        whole = f"{places.layers.partition('.')[0]}.{stored}"
        known = (places.layers, places.embedding, places.norm, places.positions)
        is_part = whole.startswith(tuple(f"{part}." for part in known if part))
        return whole if is_part else stored

    def is_transposed(self, name: str) -> bool:
        """Whether the tensor ``name`` is inputs x outputs."""
        family = self.family
        ends = tuple(f".{part}.weight" for part in family.projections)
        return family.transposed and name.endswith(ends)

    @property
    def projections(self) -> tuple[str, ...]:
        """The last parts of the names of linear layers, such as ``q_proj``."""
        return tuple(dict.fromkeys(part.rpartition(".")[2] for part in self.family.projections))

    def tensor_name(self, name: str) -> str | None:
        """llama.cpp's name of a tensor of transformers, with its suffix; None where it has none."""
        names = _names(self.family.arch, self.layers)
        new: str | None = names.get_name(name, try_suffixes=(".weight", ".bias"))
        return new

    @property
    def tied(self) -> bool:
        """Whether the embedding is also the output matrix."""
        return bool(self.config.tie_word_embeddings)

    @property
    def inner(self) -> int:
        """Numbers between the two halves of an MLP."""
        name = "n_inner" if hasattr(self.config, "n_inner") else "intermediate_size"
        return int(getattr(self.config, name) or 4 * self.config.hidden_size)

    @property
    def epsilon(self) -> float:
        """The number that norms add to the variance."""
        config = self.config
        names = ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon")
        return float(next(getattr(config, name) for name in names if hasattr(config, name)))

    @property
    def window(self) -> int:
        """Tokens that a layer with sliding attention sees; 0 without such layers."""
        return int(getattr(self.config, "sliding_window", None) or 0)

    @property
    def period(self) -> int:
        """One layer in so many has full attention; 1 means that all do."""
        kinds = list(self.config.layer_types)
        return kinds.index("full_attention") + 1 if "full_attention" in kinds else len(kinds) + 1

    def rope(self, layers: str = "full_attention") -> dict[str, Any]:
        """Rotary settings as in transformers 5; AutoConfig brings older files to this form."""
        rope = dict(getattr(self.config, "rope_parameters", None) or {})
        rope = dict(rope.get(layers, rope))
        rope.setdefault("rope_type", "default")
        return rope

    @property
    def rotated(self) -> int:
        """How many numbers of a head are rotated."""
        return int(self.width * self.rope().get("partial_rotary_factor", 1))

    def tensors(self) -> Iterator[str]:
        """The names in transformers of all tensors of the model."""
        family = self.family
        places = family.places
        yield f"{places.embedding}.weight"
        if places.positions:
            yield f"{places.positions}.weight"
        if not self.tied:
            yield "lm_head.weight"
        biased = [
            module
            for setting, modules in family.biases.items()
            if setting == "always" or getattr(self.config, setting, False)
            for module in modules
        ]
        layers = [f"{places.layers}.{i}" for i in range(self.layers)]
        norms = [places.norm, *(f"{layer}.{part}" for layer in layers for part in family.norms)]
        for layer in layers:
            for part in family.projections:
                yield f"{layer}.{part}.weight"
            for part in biased:
                yield f"{layer}.{part}.bias"
        for norm in norms:
            yield f"{norm}.weight"
            if family.layer_norm:
                yield f"{norm}.bias"


@cache
def _names(arch: str, layers: int) -> Any:
    """llama.cpp's map of tensor names. Cached, because it holds every name of every layer."""
    library = gguf()
    return library.get_tensor_name_map(library.MODEL_ARCH[arch.upper()], layers)


def shape_of(folder: Path) -> Shape:
    """The settings of the model in ``folder``. Raises ModelError where it cannot be converted."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json: give the folder of a transformers model")
    try:
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        config: Any = AutoConfig.from_pretrained(str(folder), **local)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # AttributeError: a setting that the architecture computes, as Falcon its head_dim
        raise ModelError(f"{folder}/config.json cannot be read: {first_line(error)}") from error
    if config.model_type not in FAMILIES:
        line = f"{folder} is a {config.model_type} model"
        raise ModelError(f"{line}: only {', '.join(FAMILIES)} become GGUF")
    if getattr(config, "quantization_config", None) is not None:
        raise ModelError(f"{folder} is quantised already: convert the model that it was made from")
    heads = int(config.num_attention_heads)
    width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    groups = int(getattr(config, "num_key_value_heads", None) or heads)
    family = FAMILIES[config.model_type]
    shape = Shape(family, int(config.num_hidden_layers), heads, groups, width, config)
    for problem in _problems(shape):
        raise ModelError(f"{folder} has {problem}")
    return shape


def _problems(shape: Shape) -> Iterator[str]:
    """Settings that llama.cpp refuses, or with which it would compute another result."""
    family = shape.family
    config = shape.config
    name = f"llama.cpp's {family.arch}"
    names = ("hidden_activation", "hidden_act", "activation_function")
    activation = next(value for name in names if (value := getattr(config, name, None)))
    if activation != family.activation:
        yield f"hidden_act {activation!r}: {name} has only {family.activation!r}"
    if shape.width % 2:
        yield f"heads of {shape.width} numbers: rotary embeddings need an even one"
    if family.square and shape.width * shape.heads != config.hidden_size:
        yield f"heads of {shape.width} numbers: {name} needs hidden_size / num_attention_heads"
    if family.head == "tied" and not shape.tied:
        yield f"an output matrix of its own: {name} uses the embedding"
    if family.head == "own" and shape.tied:
        yield f"no output matrix of its own: {name} needs one"
    for setting, needed in family.settings.items():
        if (value := getattr(config, setting, needed)) != needed:
            yield f"{setting} {value!r}: {name} has only {needed!r}"
    if getattr(config, "use_bidirectional_attention", None):
        yield f"use_bidirectional_attention: {name} attends to earlier tokens only"
    yield from _rope_problems(shape)
    yield from _attention_problems(shape)


def _rope_problems(shape: Shape) -> Iterator[str]:
    if shape.family.places.positions:
        return
    rope = shape.rope()
    rotations = shape.family.rotations
    partial = shape.rotated != shape.width and not shape.family.partial
    if rope["rope_type"] not in rotations or partial or shape.rotated % 2:
        yield f"rotary settings {rope}, which are not converted: only {', '.join(rotations)} are"
    if step := shape.family.unrotated:
        given = list(shape.config.no_rope_layers)
        if list(map(bool, given)) != [(i + 1) % step != 0 for i in range(shape.layers)]:
            yield f"no_rope_layers {given}: llama.cpp rotates all but one in {step}"
    sliding = shape.rope("sliding_attention")
    if shape.family.windows and sliding["rope_type"] != "default":
        yield f"rotary settings {sliding} of sliding layers, which are not converted: give default"


def _attention_problems(shape: Shape) -> Iterator[str]:
    family = shape.family
    config = shape.config
    name = f"llama.cpp's {family.arch}"
    attention_cap = getattr(config, "attn_logit_softcapping", None)
    if family.attention_cap and not attention_cap:
        yield f"no attn_logit_softcapping: {name} always has one"
    if family.logit_cap and not getattr(config, "final_logit_softcapping", None):
        yield f"no final_logit_softcapping: {name} always has one"
    if attention_cap and not family.attention_cap:
        yield f"attn_logit_softcapping: {name} has none"
    scaled = getattr(config, "query_pre_attn_scalar", shape.width)
    divisor = config.hidden_size // shape.heads if shape.layers == family.largest else shape.width
    if scaled != divisor:
        yield f"query_pre_attn_scalar {scaled}: {name} has {divisor}"
    if not family.windows:
        return
    full = [kind == "full_attention" for kind in config.layer_types]
    if full != [(i + 1) % shape.period == 0 for i in range(len(full))]:
        yield f"layer_types that do not repeat every {shape.period} layers: llama.cpp's do"
