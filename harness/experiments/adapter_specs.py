"""Adapters as a design describes them, before it is known on which form of the base they train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.builds import Job, training_seconds
from harness.errors import RecipeError
from harness.recipes import (
    Adapter,
    Base,
    BitsAndBytes,
    Dataset,
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
    """Adapters that are on, frozen, while this one is trained, each at its own scale."""

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
            self.replay if self.training.replay else None,
            self.init_from.on(base) if self.init_from else None,
            tuple((spec.on(base), spec.scale) for spec in self.frozen),
        )


@dataclass(frozen=True)
class MergedSpec:
    """Several adapters made into one; their scales are the weights."""

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


def number(value: float) -> str:
    """``value`` as ids show it: ``0.001`` as ``1e_3``, ``1.5`` as ``1p5``.

    It holds no character that ``-k`` or a shell treats specially.
    """
    text = f"{value:g}" if 0.01 < value < 1000 or value == 0 else f"{value:.3e}"
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    shown = mantissa + (f"e{int(exponent)}" if exponent else "")
    return shown.replace("-", "_").replace(".", "p")


def adapter_job(lora: Lora, label: str) -> Job:
    """The build of an adapter, with the builds of what it is made from."""
    parts = tuple(adapter_job(part, label) for part in _parts(lora))
    seconds = training_seconds(lora) if isinstance(lora, Adapter) else 0.1 * len(parts)
    return Job(lora, label, seconds, (*base_jobs(lora.base), *parts))


def trained_adapters(loras: tuple[Lora, ...]) -> tuple[Adapter, ...]:
    """Every adapter that is trained for ``loras``, each once, in an order in which they can be."""
    adapters: dict[str, Adapter] = {}

    def gather(lora: Lora) -> None:
        if digest(lora) in adapters:
            return
        for part in _parts(lora):
            gather(part)
        if isinstance(lora, Adapter):
            adapters[digest(lora)] = lora

    for lora in loras:
        gather(lora)
    return tuple(adapters.values())


def base_jobs(model: Base | Quantised) -> tuple[Job, ...]:
    """What must be made of a base before it is used."""
    if isinstance(model, Sibling):
        return (Job(model, model.name, 2, (adapter_job(model.adapter, model.name),)),)
    if isinstance(model, Base) or isinstance(model.by, BitsAndBytes):
        return ()
    recipe: Recipe = model
    return (Job(recipe, model.name, 30),)


def _parts(lora: Lora) -> tuple[Lora, ...]:
    """What an adapter is made from."""
    if isinstance(lora, Merged):
        return tuple(part for part, _ in lora.adapters)
    return tuple(lora.parents)
