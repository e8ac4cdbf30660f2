"""The recipe of a training: every setting of one LoRA adapter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.errors import RecipeError
from harness.recipes._canonical import (
    UNLESS_DEFAULT,
    at_least,
    one_of,
    stored_as,
    true_or_false,
)

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
ALL_LINEAR = "all-linear"
"""For ``target_modules``: every linear layer except the output head, as in PEFT."""
_SEEDS = 2**63
"""The limit of an integer in SQLite, where results are stored; torch itself takes 2**64 seeds."""


@dataclass(frozen=True)
class Training:
    """How one LoRA adapter is trained. The defaults are the preset ``seed2023``."""

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
    """Names of the linear layers that get an adapter.

    ``all-linear`` is every linear layer except the output head. The default means the same on a
    model that lacks one of these names.
    """
    scheduler: str = "constant"
    """``constant``, ``linear`` or ``cosine``; the last two fall to 0."""
    optimizer: str = "adamw"
    """``adamw`` or ``sgd``."""
    weight_decay: float = 0.0
    """Share of a weight, times the learning rate, that each step subtracts."""
    loss_on: str = "all"
    """``all`` tokens, or only ``answers`` (the samples' completions)."""
    replay: float = 0.0
    """Replay samples mixed in per training sample; 0 is none. Needs ``Adapter.replay``."""
    kl: float = 0.0
    """Weight of KL(base || adapted) on the replay samples; 0 is plain cross-entropy on them."""
    max_grad_norm: float = 1.0
    """Largest norm of all gradients together; longer ones are scaled down. 1e9 turns it off."""
    seed: int = 0
    dtype: str = "float32"
    """``float32`` or ``bfloat16`` (autocast)."""
    rslora: bool = field(default=False, metadata=UNLESS_DEFAULT)
    """Rank-stabilised scaling: the update is scaled by alpha / sqrt(rank) (Kalajdzievski 2023)."""
    init: str = field(
        default="kaiming",
        metadata=UNLESS_DEFAULT | stored_as("init", {"contrastive": "keys"}),
    )
    """How A begins.

    ``kaiming``: random, with B at 0 (Hu et al. 2021). ``orthogonal``: rows of A and columns of B
    orthogonal, with B A = 0; for even ranks only. ``contrastive``: along the inputs in which the
    dataset differs most from the replayed text; A is then frozen.
    """
    skip_layers: float = field(default=0.0, metadata=UNLESS_DEFAULT)
    """Share of the decoder layers, from the input on, that get no adapter: 0.25 of 32 is 8.

    The layers that read the question stay unchanged. No gradient passes through them, so a step
    takes less time.
    """
    distil: float = field(default=0.0, metadata=UNLESS_DEFAULT)
    """Weight of KL(base that reads the context || adapted) on completions; 0 is none.

    For samples with a context (``Sample.context``), beside cross-entropy. Both see the prompt, but
    only the base sees the context (context distillation, Snell et al. 2022).
    """

    def __post_init__(self) -> None:
        if isinstance(self.target_modules, str):  # one name instead of a tuple
            object.__setattr__(self, "target_modules", (self.target_modules,))
        self._check_counts()
        self._check_choices()
        self._check_numbers()
        self._check_target_modules()

    def _check_counts(self) -> None:
        for name in ("epochs", "rank", "alpha", "batch", "micro_batch"):
            at_least(name, getattr(self, name), 1)
        at_least("cutoff", self.cutoff, 2)
        at_least("warmup_steps", self.warmup_steps, 0)
        if not 0 <= self.seed < _SEEDS:
            raise RecipeError(f"seed is {self.seed}: it must be at least 0 and below 2**63")

    def _check_choices(self) -> None:
        one_of("scheduler", self.scheduler, ("constant", "linear", "cosine"))
        one_of("optimizer", self.optimizer, ("adamw", "sgd"))
        one_of("loss_on", self.loss_on, ("all", "answers"))
        one_of("dtype", self.dtype, ("float32", "bfloat16"))
        one_of("init", self.init, ("kaiming", "orthogonal", "contrastive"))
        if self.init == "orthogonal" and self.rank % 2:
            raise RecipeError(f"rank is {self.rank}: orthogonal init needs an even rank")
        true_or_false("rslora", self.rslora)

    def _check_numbers(self) -> None:
        # "not 0 < x" instead of "x <= 0": nan fails the first and passes the second.
        if not 0 < self.lr < math.inf:
            raise RecipeError(f"lr is {self.lr}: it must be above 0, and finite")
        if not 0 < self.max_grad_norm < math.inf:
            raise RecipeError(
                f"max_grad_norm is {self.max_grad_norm}: it must be above 0, and finite (1e9: no"
                " clipping)"
            )
        for name in ("weight_decay", "replay", "kl", "distil"):
            if not 0 <= getattr(self, name) < math.inf:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}: it must be at least 0 (none), and finite"
                )
        for name in ("dropout", "skip_layers"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}: it must be at least 0 and below 1"
                )
        if not 0 <= self.overlap < self.cutoff:
            raise RecipeError(
                f"overlap is {self.overlap}: it must be at least 0 and below cutoff ({self.cutoff})"
            )

    def _check_target_modules(self) -> None:
        if not self.target_modules:
            raise RecipeError(
                "target_modules is empty: name at least one linear layer, such as q_proj"
            )
        if ALL_LINEAR in self.target_modules and len(self.target_modules) > 1:
            raise RecipeError(f"target_modules names {ALL_LINEAR} and others: give it alone")
