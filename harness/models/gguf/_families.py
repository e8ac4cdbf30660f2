"""Families of models that become GGUF, and the settings of each that llama.cpp can compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import ModelError, first_line
from harness.models.gguf._library import gguf

_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_NORMS = ("input_layernorm", "post_attention_layernorm")
_HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")
_GEMMA_NORMS = (*_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
_TANH = "gelu_pytorch_tanh"


class Family(NamedTuple):
    """How llama.cpp computes the models of one ``model_type`` of transformers.

    Source: ``src/models/*.cpp`` of llama.cpp, and its ``conversion/*.py``.
    """

    arch: str
    """The name in GGUF and in ``gguf.MODEL_ARCH``."""
    activation: str = "silu"
    norms: tuple[str, ...] = _NORMS
    """The norms of one layer."""
    biases: Mapping[str, tuple[str, ...]] = {}
    """Modules with a bias, by the setting that adds it; ``always`` stands for no setting."""
    neighbours: bool = False
    """Rotary embeddings pair neighbouring rows of q and k; transformers pairs two halves."""
    rotations: tuple[str, ...] = ("default", "linear")
    """Values of ``rope_type``."""
    norm_offset: float = 0.0
    """Added to the weights of norms."""
    tied: bool = False
    """The embedding is the output matrix, always."""
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
    "gemma": Family("gemma", _TANH, norm_offset=1.0, tied=True),
    "gemma2": Family(
        "gemma2",
        _TANH,
        _GEMMA_NORMS,
        rotations=("default",),
        norm_offset=1.0,
        tied=True,
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

    def heads_of(self, name: str) -> int:
        """Heads of the tensor ``name`` whose rows llama.cpp orders in another way; 0: none."""
        if not self.family.neighbours:
            return 0
        if ".q_proj." in name:
            return self.heads
        return self.groups if ".k_proj." in name else 0

    def offset_of(self, name: str) -> float:
        """The number that llama.cpp has added to all of the tensor ``name``."""
        return self.family.norm_offset if name.endswith("norm.weight") else 0.0

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

    def tensors(self) -> Iterator[str]:
        """The names in transformers of all tensors of the model."""
        yield from ("model.embed_tokens.weight", "model.norm.weight")
        if not self.tied:
            yield "lm_head.weight"
        family = self.family
        biased = [
            module
            for setting, modules in family.biases.items()
            if setting == "always" or getattr(self.config, setting, False)
            for module in modules
        ]
        for i in range(self.layers):
            for part in (*_ATTENTION, *_MLP, *family.norms):
                yield f"model.layers.{i}.{part}.weight"
            for part in biased:
                yield f"model.layers.{i}.{part}.bias"


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
    except (OSError, ValueError, KeyError) as error:
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
    activation = getattr(config, "hidden_activation", None) or config.hidden_act
    if activation != family.activation:
        yield f"hidden_act {activation!r}: {name} has only {family.activation!r}"
    if shape.width % 2:
        yield f"heads of {shape.width} numbers: rotary embeddings need an even one"
    if family.square and shape.width * shape.heads != config.hidden_size:
        yield f"heads of {shape.width} numbers: {name} needs hidden_size / num_attention_heads"
    if family.tied and not shape.tied:
        yield f"an output matrix of its own: {name} uses the embedding"
    if getattr(config, "use_bidirectional_attention", None):
        yield f"use_bidirectional_attention: {name} attends to earlier tokens only"
    yield from _rope_problems(shape)
    yield from _attention_problems(shape)


def _rope_problems(shape: Shape) -> Iterator[str]:
    rope = shape.rope()
    rotations = shape.family.rotations
    if rope["rope_type"] not in rotations or rope.get("partial_rotary_factor", 1) != 1:
        yield f"rotary settings {rope}, which are not converted: only {', '.join(rotations)} are"
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
