"""Recipes for models: a base, how an adapter is trained on it, and stacks of adapters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import RecipeError
from harness.recipes._bases import Base, ExternalAdapter
from harness.recipes._canonical import BY_DIGEST, UNLESS_DEFAULT, digest, stored_as
from harness.recipes._data import Dataset

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
ALL_LINEAR = "all-linear"
"""For ``target_modules``: every linear layer but the output head, as PEFT has it."""
MERGES = ("sum", "mean", "linear", "svd", "ties", "dare_linear", "dare_ties", "magnitude_prune")
"""How adapters become one."""
_SEEDS = 2**63
"""As many are whole numbers to SQLite; torch takes twice as many."""


@dataclass(frozen=True)
class BitsAndBytes:
    """Weights quantised by bitsandbytes while they are loaded."""

    kind: str
    """``nf4``, ``fp4`` (both 4 bits) or ``int8``."""
    double: bool = False
    """Whether the scales are quantised too (Dettmers et al. 2023, QLoRA)."""

    def __post_init__(self) -> None:
        _one_of("bitsandbytes kind", self.kind, ("nf4", "fp4", "int8"))
        if self.double and self.kind == "int8":
            raise RecipeError(
                "double quantisation is for nf4 and fp4: int8 has no scales to quantise"
            )


@dataclass(frozen=True)
class Gptq:
    """Weights quantised by GPTQ (Frantar et al. 2022) on ``calibration``."""

    bits: int
    calibration: Dataset
    group: int = 128
    """Inputs that share a scale."""
    desc_act: bool = False
    """Whether columns are quantised in the order of falling activation."""

    def __post_init__(self) -> None:
        _one_of("gptq bits", str(self.bits), ("4", "8"))
        _one_of("gptq group", str(self.group), ("32", "64", "128"))


@dataclass(frozen=True)
class Gguf:
    """A GGUF file for llama.cpp."""

    kind: str
    """llama.cpp's name of the type, in lower case: ``f16``, ``q4_0``, ``q4_k_m``."""


Quantisation = BitsAndBytes | Gptq | Gguf


@dataclass(frozen=True)
class Quantised:
    """``base`` in another, smaller form."""

    base: Base
    by: Quantisation

    @property
    def name(self) -> str:
        """For messages."""
        kind = f"gptq{self.by.bits}" if isinstance(self.by, Gptq) else self.by.kind
        return f"{self.base.name} ({kind})"

    @property
    def origin(self) -> Base:
        return self.base


@dataclass(frozen=True)
class Training:
    """How one LoRA adapter is trained. The defaults are ``seed2023``, the best setting of 2023."""

    epochs: int = 10
    """Passes over the dataset."""
    rank: int = 64
    """LoRA r."""
    alpha: int = 128
    """LoRA alpha; the update is scaled by alpha / rank."""
    lr: float = 1e-4
    """Peak learning rate."""
    batch: int = 2
    """Samples per optimiser step."""
    micro_batch: int = 2
    """Samples per forward pass; gradients are accumulated up to ``batch``."""
    cutoff: int = 256
    """Longest sample in tokens; longer texts are cut into windows of this length."""
    overlap: int = 0
    """Tokens that neighbouring windows of a long text share."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises from 0."""
    dropout: float = 0.05
    """LoRA dropout."""
    target_modules: tuple[str, ...] = ATTENTION + MLP
    """Names of the linear layers that get an adapter; ``all-linear`` is all but the output head,
    which is also what the default means on a model that lacks one of these names."""
    scheduler: str = "constant"
    """``constant``, ``linear`` or ``cosine``; the last two fall to 0."""
    optimizer: str = "adamw"
    """``adamw`` or ``sgd``."""
    weight_decay: float = 0.0
    """Share of a weight, times the learning rate, that a step takes away."""
    loss_on: str = "all"
    """``all`` tokens, or only ``answers`` (the samples' completions)."""
    replay: float = 0.0
    """Replay samples mixed in per training sample; 0 is none. Needs ``Adapter.replay``."""
    kl: float = 0.0
    """Weight of KL(base || adapted) on the replay samples; 0 is plain cross-entropy on them."""
    max_grad_norm: float = 1.0
    """Gradients that are longer, all together, are shortened to this; 1e9 shortens none."""
    seed: int = 0
    dtype: str = "float32"
    """``float32`` or ``bfloat16`` (autocast)."""
    rslora: bool = field(default=False, metadata=UNLESS_DEFAULT)
    """Rank-stabilised scaling: the update is scaled by alpha / sqrt(rank) (Kalajdzievski 2023)."""
    init: str = field(
        default="kaiming",
        metadata=UNLESS_DEFAULT | stored_as("init", {"contrastive": "keys"}),
    )
    """How A begins: ``kaiming`` (B at 0, as Hu et al. 2021), ``orthogonal`` (rows of A and columns
    of B orthogonal, B A = 0; even ranks only), or ``contrastive``: where the dataset stands out from what
    is replayed, and A stays there."""
    skip_layers: float = field(default=0.0, metadata=UNLESS_DEFAULT)
    """Share of the decoder layers, from the input on, that get no adapter: 0.25 of 32 is the first
    8. What reads the question stays as it is, and no gradient goes there, so a step is shorter."""

    def __post_init__(self) -> None:
        if isinstance(self.target_modules, str):  # a word, where a tuple of them is meant
            object.__setattr__(self, "target_modules", (self.target_modules,))
        _at_least("epochs", self.epochs, 1)
        _at_least("rank", self.rank, 1)
        _at_least("alpha", self.alpha, 1)
        _at_least("batch", self.batch, 1)
        _at_least("micro_batch", self.micro_batch, 1)
        _at_least("cutoff", self.cutoff, 2)
        _at_least("warmup_steps", self.warmup_steps, 0)
        if not 0 <= self.seed < _SEEDS:
            raise RecipeError(f"seed is {self.seed}: it must be at least 0 and below 2**63")
        _one_of("scheduler", self.scheduler, ("constant", "linear", "cosine"))
        _one_of("optimizer", self.optimizer, ("adamw", "sgd"))
        _one_of("loss_on", self.loss_on, ("all", "answers"))
        _one_of("dtype", self.dtype, ("float32", "bfloat16"))
        _one_of("init", self.init, ("kaiming", "orthogonal", "contrastive"))
        if self.init == "orthogonal" and self.rank % 2:
            raise RecipeError(
                f"rank is {self.rank}: orthogonal init halves the rank, give an even one"
            )
        if not 0 < self.lr < math.inf:
            raise RecipeError(f"lr is {self.lr}: it must be above 0, and finite")
        if not 0 < self.max_grad_norm < math.inf:
            raise RecipeError(
                f"max_grad_norm is {self.max_grad_norm}: it must be above 0, and finite (1e9: no"
                " clipping)"
            )
        for name in ("weight_decay", "replay", "kl"):
            if not 0 <= getattr(self, name) < math.inf:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}: it must be at least 0 (none), and finite"
                )
        if not 0 <= self.dropout < 1:
            raise RecipeError(f"dropout is {self.dropout}: it must be at least 0 and below 1")
        if not 0 <= self.overlap < self.cutoff:
            raise RecipeError(
                f"overlap is {self.overlap}: it must be at least 0 and below cutoff ({self.cutoff})"
            )
        if not 0 <= self.skip_layers < 1:
            raise RecipeError(
                f"skip_layers is {self.skip_layers}: it must be at least 0 and below 1"
            )
        if not isinstance(self.rslora, bool):
            raise RecipeError(f"rslora is {self.rslora!r}: choose true or false")
        if not self.target_modules:
            raise RecipeError(
                "target_modules is empty: name at least one linear layer, such as q_proj"
            )
        if ALL_LINEAR in self.target_modules and len(self.target_modules) > 1:
            raise RecipeError(f"target_modules names {ALL_LINEAR} and others: give it alone")


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter: ``training`` on ``dataset`` (and ``replay``) over ``base``."""

    base: Base | Quantised
    dataset: Dataset
    training: Training
    replay: Dataset | None = None
    init_from: Adapter | None = field(default=None, metadata=BY_DIGEST | stored_as("start"))
    """Whose weights training goes on from; the optimiser begins afresh."""
    frozen_adapters: tuple[tuple[Lora, float], ...] = field(
        default=(), metadata=BY_DIGEST | stored_as("under")
    )
    """Adapters that are on, frozen, while this one is trained, each with its scale."""

    def __post_init__(self) -> None:
        if self.training.replay > 0 and self.replay is None:
            raise RecipeError(
                f"replay is {self.training.replay} but no replay dataset is given: give one or"
                " set 0"
            )
        if self.training.init == "contrastive" and self.replay is None:
            raise RecipeError(
                "init is contrastive but no replay dataset is given, from which to stand out: give one"
            )
        _of_one_base(self.base, self.parents)
        if self.init_from:
            _alike(self.init_from.training, self.training)

    @property
    def parents(self) -> list[Lora]:
        """The adapters that must be there before this one is trained."""
        first = [self.init_from] if self.init_from else []
        return [*first, *(lora for lora, _ in self.frozen_adapters)]

    @property
    def name(self) -> str:
        """For messages."""
        return self.dataset.name


@dataclass(frozen=True)
class Merged:
    """One adapter made of several by their weights; how, says
    ``harness.models.merging``."""

    adapters: tuple[tuple[Adapter, float], ...]
    method: str = "sum"
    """One of ``MERGES``."""
    density: float = 0.5
    """Share of each update that ``ties``, ``dare_*`` and ``magnitude_prune`` keep."""
    rank: int = 0
    """Of the merged adapter; 0: all ranks together (which is no more than a layer allows), for
    ``svd`` the largest."""
    seed: int = 0
    """Of what ``dare_*`` drops."""

    def __post_init__(self) -> None:
        if not self.adapters:
            raise RecipeError("nothing to merge: name at least one adapter")
        _one_of("merge method", self.method, MERGES)
        _of_one_base(self.base, [adapter for adapter, _ in self.adapters])
        _at_least("rank", self.rank, 0)
        if not 0 < self.density < 1:
            raise RecipeError(f"density is {self.density}: it must lie between 0 and 1")
        if self.rank and self.method in ("sum", "mean", "linear"):
            raise RecipeError(
                f"rank is {self.rank}: {self.method} settles it, choose svd for fewer"
            )
        ranks = sorted({adapter.training.rank for adapter, _ in self.adapters})
        if self.method == "linear" and len(ranks) > 1:
            raise RecipeError(
                f"linear merges adapters of one rank, these have {ranks}: choose sum or svd"
            )
        if self.method == "mean" and not sum(weight for _, weight in self.adapters) > 0:
            raise RecipeError(
                "the weights of a mean add up to no more than 0: give weights above 0"
            )

    @property
    def base(self) -> Base | Quantised:
        """That of the first adapter."""
        return self.adapters[0][0].base

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.method} of {len(self.adapters)}"


Lora = Adapter | Merged
"""What can be put on a base."""


@dataclass(frozen=True)
class Sibling(Base):
    """A base that was trained further: the base of ``adapter`` with its update added to the full
    weights.

    Of the shape of that base, so adapters of either load on the other; a stack must say that it
    means it.
    """

    adapter: Adapter = field(kw_only=True)

    @classmethod
    def of(cls, adapter: Adapter, name: str) -> Sibling:
        """Raises RecipeError where the weights of the adapter's base are not full ones."""
        if isinstance(adapter.base, Quantised) or not adapter.base.trains:
            raise RecipeError(
                f"{adapter.base.name} has no full weights to add an update to: give the full base"
            )
        return cls(content=digest(adapter), name=name, path="", adapter=adapter)

    @property
    def family(self) -> Base:
        return self.adapter.base.origin.family


@dataclass(frozen=True)
class GgufAdapter:
    """``adapter`` in the form that llama.cpp loads."""

    adapter: Lora | ExternalAdapter
    base: Base | None = field(default=None, metadata=UNLESS_DEFAULT)
    """The base of a ready-made adapter, which does not know it."""


@dataclass(frozen=True)
class Stack:
    """A base with adapters on it, each with its scale; none is the base itself.

    An adapter may have been trained on another form of the same base: on the full one, and be used
    on a quantised.
    """

    base: Base | Quantised
    adapters: tuple[tuple[Lora | ExternalAdapter, float], ...] = ()
    of_sibling: bool = field(default=False, metadata=UNLESS_DEFAULT | stored_as("across"))
    """Whether adapters may be those of a sibling."""

    def __post_init__(self) -> None:
        if self.of_sibling:
            _of_one_family(self.base, self.made)
        else:
            _of_one_base(self.base, self.made)
        for adapter, _ in self.adapters:
            if isinstance(adapter, ExternalAdapter):
                _fits(adapter, self.base.origin)

    @property
    def made(self) -> tuple[Lora, ...]:
        """Those of the adapters that are made here."""
        return tuple(
            adapter for adapter, _ in self.adapters if not isinstance(adapter, ExternalAdapter)
        )


def _alike(before: Training, now: Training) -> None:
    """Weights can only be gone on from where they mean the same."""
    for name in ("rank", "alpha", "rslora", "target_modules"):
        if getattr(before, name) != getattr(now, name):
            raise RecipeError(
                f"{name} is {getattr(now, name)}, but the adapter to go on from has"
                f" {getattr(before, name)}: keep it"
            )


def _of_one_base(base: Base | Quantised, loras: Sequence[Lora]) -> None:
    for lora in loras:
        if lora.base.origin != base.origin:
            raise RecipeError(
                f"adapter on {lora.name} was trained on {lora.base.name}, not on {base.name}:"
                " an adapter fits only its own base"
            )


def _of_one_family(base: Base | Quantised, loras: Sequence[Lora]) -> None:
    for lora in loras:
        if lora.base.origin.family != base.origin.family:
            raise RecipeError(
                f"adapter on {lora.name} was trained on {lora.base.name}, which is no sibling of"
                f" {base.name}: their shapes may differ, give an adapter of its own family"
            )


def _fits(adapter: ExternalAdapter, base: Base) -> None:
    if adapter.form != base.takes:
        wanted = {"folder": "a PEFT folder", "gguf": "a .gguf file", "served": "served:NAME"}[
            base.takes
        ]
        raise RecipeError(
            f"adapter {adapter.name} ({adapter.path}) does not go on {base.name}: give {wanted}"
        )


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise RecipeError(f"{name} is {value}: it must be at least {least}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(f"{name} {value!r} is unknown: choose one of {', '.join(known)}")
