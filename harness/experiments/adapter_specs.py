"""Adapters as a scenario describes them, before it is known in which form of the base they are
trained."""

from __future__ import annotations

from dataclasses import dataclass

from harness.builds import Job, training_seconds
from harness.recipes import (
    Adapter,
    Base,
    BitsAndBytes,
    Dataset,
    Lora,
    Merged,
    Quantised,
    Recipe,
    Sibling,
    Training,
    digest,
)


@dataclass(frozen=True)
class AdapterSpec:
    """One adapter of a stack."""

    dataset: Dataset
    training: Training
    replay: Dataset | None = None
    scale: float = 1.0
    init_from: AdapterSpec | None = None
    """Whose weights it goes on from."""
    frozen: tuple[AdapterSpec, ...] = ()
    """What is on, frozen, while it is trained, each at its own scale."""

    def on(self, base: Base | Quantised) -> Adapter:
        """The adapter, trained on ``base``."""
        return Adapter(
            base,
            self.dataset,
            self.training,
            self.replay if self.training.replay else None,
            self.init_from.on(base) if self.init_from else None,
            tuple((layer.on(base), layer.scale) for layer in self.frozen),
        )


@dataclass(frozen=True)
class MergedSpec:
    """Several layers as one adapter; their scales are the weights."""

    layers: tuple[AdapterSpec, ...]
    method: str = "sum"
    density: float = 0.5
    rank: int = 0
    scale: float = 1.0

    def on(self, base: Base | Quantised) -> Merged:
        """The adapter, its parts trained on ``base``."""
        parts = tuple((layer.on(base), layer.scale) for layer in self.layers)
        return Merged(parts, self.method, self.density, self.rank)


def job(lora: Lora, label: str) -> Job:
    """The build of an adapter, with those of what it is made from."""
    parts = tuple(job(part, label) for part in _parts(lora))
    seconds = training_seconds(lora) if isinstance(lora, Adapter) else 0.1 * len(parts)
    return Job(lora, label, seconds, (*forms(lora.base), *parts))


def gather(lora: Lora, found: dict[str, Adapter]) -> None:
    """Add every adapter that was trained for ``lora`` to ``found``, by digest, what it is built
    upon first."""
    if digest(lora) in found:
        return
    for part in _parts(lora):
        gather(part, found)
    if isinstance(lora, Adapter):
        found[digest(lora)] = lora


def _parts(lora: Lora) -> tuple[Lora, ...]:
    """What an adapter is built upon."""
    if isinstance(lora, Merged):
        return tuple(part for part, _ in lora.adapters)
    return tuple(lora.parents)


def forms(model: Base | Quantised) -> tuple[Job, ...]:
    """What must be made of a base before it is used."""
    if isinstance(model, Sibling):
        return (Job(model, model.name, 2, (job(model.adapter, model.name),)),)
    if isinstance(model, Base) or isinstance(model.by, BitsAndBytes):
        return ()
    recipe: Recipe = model
    return (Job(recipe, model.name, 30),)
