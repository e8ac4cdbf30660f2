"""Recipes for adapters: trained, merged, converted, and stacked on a base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import RecipeError
from harness.recipes._bases import Base, Dataset, ExternalAdapter, Quantised
from harness.recipes._canonical import (
    BY_DIGEST,
    UNLESS_DEFAULT,
    at_least,
    digest,
    one_of,
    stored_as,
)
from harness.recipes._training import Training

MERGES = ("sum", "mean", "linear", "svd", "ties", "dare_linear", "dare_ties", "magnitude_prune")
"""Methods by which several adapters become one; ``harness.models.merging`` explains them."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter on ``base``, trained on ``dataset`` with the settings ``training``."""

    base: Base | Quantised
    dataset: Dataset
    training: Training
    replay: Dataset | None = None
    """Known text that is mixed in so that it is kept; ``training.replay`` says how much."""
    init_from: Adapter | None = field(default=None, metadata=BY_DIGEST | stored_as("start"))
    """The adapter whose weights are the start; the optimiser starts without state."""
    frozen_adapters: tuple[tuple[Lora, float], ...] = field(
        default=(), metadata=BY_DIGEST | stored_as("under")
    )
    """Adapters that are active but frozen during training, each with its scale."""

    def __post_init__(self) -> None:
        if self.training.replay > 0 and self.replay is None:
            raise RecipeError(
                f"replay is {self.training.replay} but no replay dataset is given: give one or"
                " set 0"
            )
        if self.training.init == "contrastive" and self.replay is None:
            raise RecipeError(
                "init is contrastive but no replay dataset is given, to compare with: give one"
            )
        if self.training.distil and not any(each.context for each in self.dataset.samples):
            raise RecipeError(
                f"distil is {self.training.distil} but no sample of {self.dataset.name!r} has a"
                " context for the teacher to read: give contexts or set 0"
            )
        _check_base(self.base, self.parents)
        if self.init_from:
            _check_same_shape(self.init_from.training, self.training)

    @property
    def parents(self) -> list[Lora]:
        """The adapters that must be built before this one is trained."""
        first = [self.init_from] if self.init_from else []
        return [*first, *(lora for lora, _ in self.frozen_adapters)]

    @property
    def name(self) -> str:
        """The name of the dataset, for messages."""
        return self.dataset.name


@dataclass(frozen=True)
class Merged:
    """One adapter from the weights of several."""

    adapters: tuple[tuple[Adapter, float], ...]
    """Each with its weight in the merge."""
    method: str = "sum"
    """One of ``MERGES``."""
    density: float = 0.5
    """Share of each update that ``ties``, ``dare_*`` and ``magnitude_prune`` keep."""
    rank: int = 0
    """Rank of the result.

    0 is the largest rank of the adapters with ``svd``, and else the sum of all ranks, up to the
    limit of a layer.
    """
    seed: int = 0
    """Of the random choice of what ``dare_*`` drops."""

    def __post_init__(self) -> None:
        if not self.adapters:
            raise RecipeError("nothing to merge: name at least one adapter")
        one_of("merge method", self.method, MERGES)
        _check_base(self.base, [adapter for adapter, _ in self.adapters])
        at_least("rank", self.rank, 0)
        if not 0 < self.density < 1:
            raise RecipeError(f"density is {self.density}: it must lie between 0 and 1")
        if self.rank and self.method in ("sum", "mean", "linear"):
            raise RecipeError(
                f"rank is {self.rank}: {self.method} has a fixed rank, choose svd for a lower one"
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
        """The base of the first adapter."""
        return self.adapters[0][0].base

    @property
    def name(self) -> str:
        """Method and number of adapters, for messages."""
        return f"{self.method} of {len(self.adapters)}"


Lora = Adapter | Merged
"""An adapter that is built here."""


@dataclass(frozen=True)
class Sibling(Base):
    """The base of ``adapter`` with the adapter's update added to its full weights.

    It has the shape of that base, so adapters of each load on the other. A stack that mixes them
    must set ``of_sibling``.
    """

    adapter: Adapter = field(kw_only=True)

    @classmethod
    def of(cls, adapter: Adapter, name: str) -> Sibling:
        """The sibling that ``adapter`` makes, called ``name``.

        Raises:
            RecipeError: the base of ``adapter`` has no full weights.
        """
        if isinstance(adapter.base, Quantised) or not adapter.base.trains:
            raise RecipeError(
                f"{adapter.base.name} has no full weights to add an update to: give the full base"
            )
        return cls(content=digest(adapter), name=name, path="", adapter=adapter)

    @property
    def family(self) -> Base:
        """The base that was trained further to get this one."""
        return self.adapter.base.origin.family


@dataclass(frozen=True)
class GgufAdapter:
    """``adapter`` in the form that llama.cpp loads."""

    adapter: Lora | ExternalAdapter
    base: Base | None = field(default=None, metadata=UNLESS_DEFAULT)
    """The base of an external adapter, whose own files do not have it."""


@dataclass(frozen=True)
class Stack:
    """A base with adapters on it, each with its scale; without adapters, the base itself.

    An adapter may be trained on another form of the same base: trained on the full one, for
    example, and used on a quantised one.
    """

    base: Base | Quantised
    adapters: tuple[tuple[Lora | ExternalAdapter, float], ...] = ()
    of_sibling: bool = field(default=False, metadata=UNLESS_DEFAULT | stored_as("across"))
    """Whether adapters of a sibling of the base are allowed."""

    def __post_init__(self) -> None:
        if self.of_sibling:
            _check_family(self.base, self.loras)
        else:
            _check_base(self.base, self.loras)
        for adapter, _ in self.adapters:
            if isinstance(adapter, ExternalAdapter):
                _check_form(adapter, self.base.origin)

    @property
    def loras(self) -> tuple[Lora, ...]:
        """The adapters that are built here, without the external ones."""
        adapters = (adapter for adapter, _ in self.adapters)
        return tuple(adapter for adapter in adapters if not isinstance(adapter, ExternalAdapter))


def _check_same_shape(before: Training, after: Training) -> None:
    """Check the fields that both must share where weights of ``before`` are the start of ``after``.

    Raises:
        RecipeError: one of them differs.
    """
    for name in ("rank", "alpha", "rslora", "target_modules"):
        if getattr(before, name) != getattr(after, name):
            raise RecipeError(
                f"{name} is {getattr(after, name)}, but the adapter to go on from has"
                f" {getattr(before, name)}: keep it"
            )


def _check_base(base: Base | Quantised, loras: Sequence[Lora]) -> None:
    """Check that ``loras`` were trained on a form of ``base``. Raises RecipeError."""
    for lora in loras:
        if lora.base.origin != base.origin:
            raise RecipeError(
                f"adapter on {lora.name} was trained on {lora.base.name}, not on {base.name}:"
                " an adapter fits only its own base"
            )


def _check_family(base: Base | Quantised, loras: Sequence[Lora]) -> None:
    """Check that ``loras`` were trained on ``base`` or a sibling of it. Raises RecipeError."""
    for lora in loras:
        if lora.base.origin.family != base.origin.family:
            raise RecipeError(
                f"adapter on {lora.name} was trained on {lora.base.name}, which is not a sibling of"
                f" {base.name}: their shapes may differ, give an adapter of its own family"
            )


def _check_form(adapter: ExternalAdapter, base: Base) -> None:
    """Check that ``base`` takes adapters in the form of ``adapter``. Raises RecipeError."""
    if adapter.form != base.takes:
        forms = {"folder": "a PEFT folder", "gguf": "a .gguf file", "served": "served:NAME"}
        raise RecipeError(
            f"adapter {adapter.name} ({adapter.path}) does not go on {base.name}: give"
            f" {forms[base.takes]}"
        )
