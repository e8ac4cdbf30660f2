"""Adapters of a design, before it is known on which form of the base they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.builds import Job
from harness.errors import RecipeError
from harness.recipes import (
    Adapter,
    Base,
    BitsAndBytes,
    Dataset,
    Dequantised,
    ExternalAdapter,
    Lora,
    Merged,
    Quantised,
    Recipe,
    Sibling,
    Training,
    digest,
)


def check_types(found: object, what: str, wanted: Mapping[str, Any]) -> None:
    """Raises RecipeError where a field of ``found`` is of none of the types in ``wanted``."""
    for name, types in wanted.items():
        value = getattr(found, name)
        if not isinstance(value, types):
            known = types if isinstance(types, tuple) else (types,)
            names = " or ".join("None" if t is type(None) else t.__name__ for t in known)
            raise RecipeError(f"{what}: {name} is a {type(value).__name__}: give a {names}")


def number(value: float) -> str:
    """``value`` as ids show it: ``0.001`` as ``1e_3``, ``1.5`` as ``1p5``.

    It holds no character that ``-k`` or a shell treats specially.
    """
    # small and large values as powers of ten: 0.0005 would be 0p0005
    text = f"{value:g}" if 0.01 < value < 1000 or value == 0 else f"{value:.3e}"
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    shown = mantissa + (f"e{int(exponent)}" if exponent else "")
    return shown.replace("-", "_").replace(".", "p")


@dataclass(frozen=True)
class AdapterSpec:
    """One adapter of a stack."""

    dataset: Dataset
    training: Training
    replay: Dataset | None = None
    scale: float = 1.0
    init_from: AdapterSpec | None = None
    """Whose weights the training goes on from."""
    frozen: tuple[AdapterSpec, ...] = ()
    """Adapters that are on and frozen while this one is trained, each at its own scale."""

    def __post_init__(self) -> None:
        wanted = {"dataset": Dataset, "training": Training, "scale": (int, float), "frozen": tuple}
        maybe = {"replay": (Dataset, type(None)), "init_from": (AdapterSpec, type(None))}
        check_types(self, "AdapterSpec", {**wanted, **maybe})

    def on(self, base: Base | Quantised) -> Adapter:
        """The adapter, trained on ``base``."""
        return Adapter(
            base,
            self.dataset,
            self.training,
            # replay that is not trained must not be part of the digest
            self.replay if self.training.replay else None,
            self.init_from.on(base) if self.init_from else None,
            tuple((spec.on(base), spec.scale) for spec in self.frozen),
        )


@dataclass(frozen=True)
class MergedSpec:
    """Several adapters merged into one; their scales are the weights."""

    specs: tuple[AdapterSpec, ...]
    method: str = "sum"
    density: float = 0.5
    rank: int = 0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_types(self, "MergedSpec", {"specs": tuple, "scale": (int, float)})

    def on(self, base: Base | Quantised) -> Merged:
        """The merged adapter, its parts trained on ``base``."""
        parts = tuple((spec.on(base), spec.scale) for spec in self.specs)
        return Merged(parts, self.method, self.density, self.rank)


@dataclass(frozen=True)
class ExternalSpec:
    """An adapter that was made elsewhere, and how many times its update counts."""

    adapter: ExternalAdapter
    scale: float = 1.0

    @property
    def name(self) -> str:
        """As ids and reports show it: ``oscars``, or ``oscars_x0p5`` at scale 0.5."""
        if self.scale == 1:
            return self.adapter.name
        return f"{self.adapter.name}_x{number(self.scale)}"


def adapter_job(lora: Lora, label: str) -> Job:
    """The build of an adapter, which needs the builds of its parents."""
    parents = tuple(adapter_job(parent, label) for parent in _parents(lora))
    return Job(lora, label, needs=(*base_jobs(lora.base), *parents))


def trained_adapters(loras: tuple[Lora, ...]) -> tuple[Adapter, ...]:
    """Every adapter that is trained for ``loras``, each once, after its parents."""
    adapters: dict[str, Adapter] = {}

    def gather(lora: Lora) -> None:
        if digest(lora) in adapters:
            return
        for parent in _parents(lora):
            gather(parent)
        if isinstance(lora, Adapter):
            adapters[digest(lora)] = lora

    for lora in loras:
        gather(lora)
    return tuple(adapters.values())


def base_jobs(model: Base | Quantised) -> tuple[Job, ...]:
    """The builds that a base needs before it is used; none for one that is only loaded."""
    if isinstance(model, Sibling):
        return (Job(model, model.name, needs=(adapter_job(model.adapter, model.name),)),)
    if isinstance(model, Dequantised):
        return (Job(model, f"{model.name}, dequantised"),)
    # bitsandbytes quantises while it loads, so nothing is built for it
    if isinstance(model, Base):
        return ()
    full = base_jobs(model.base)
    if isinstance(model.by, BitsAndBytes):
        return full
    recipe: Recipe = model
    return (Job(recipe, model.name, needs=full),)


def _parents(lora: Lora) -> tuple[Lora, ...]:
    """The adapters from which an adapter is made."""
    if isinstance(lora, Merged):
        return tuple(parent for parent, _ in lora.adapters)
    return tuple(lora.parents)
