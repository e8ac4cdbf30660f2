"""A cell: one combination of model, dataset, training parameters and seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.engines import HF, EngineSpec
from harness.launch import Job, training_seconds
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    BitsAndBytes,
    Dataset,
    Grades,
    ProbeSet,
    Quantised,
    Recipe,
    Stack,
    Training,
)


@dataclass(frozen=True)
class Cell:
    """What is trained, and what it is asked."""

    base: Base
    dataset: Dataset
    probes: ProbeSet
    training: Training
    replay: Dataset | None = None
    several_models: bool = False
    """Whether ids must tell models apart."""
    engine: EngineSpec = HF
    several_engines: bool = False
    """Whether ids must tell engines apart."""

    @cached_property
    def id(self) -> str:
        """Its parts in a fixed order, e.g. ``oscars_aug-rank64-alpha128-lr1e_3-ep10-seed0``; ``-k`` selects by any."""
        t = self.training
        parts = [self.base.name.replace("-", "_")] if self.several_models else []
        parts += [self.dataset.name, f"rank{t.rank}", f"alpha{t.alpha}", f"lr{_number(t.lr)}", f"ep{t.epochs}"]
        parts += [f"replay{_number(t.replay)}"] if t.replay else []
        parts += [self.engine.name] if self.several_engines or self.engine != HF else []
        return "-".join([*parts, f"seed{t.seed}"])

    @property
    def unseeded(self) -> str:
        """The id without its seed."""
        return self.id.rpartition("-seed")[0]

    @property
    def adapter(self) -> Adapter:
        trained_on = self.engine.training(self.base, self.replay or self.dataset)
        return Adapter(trained_on, self.dataset, self.training, self.replay if self.training.replay else None)

    @property
    def model(self) -> Base | Quantised:
        """The base in the form that is asked."""
        return self.engine.answering(self.base, self.replay or self.dataset)

    @property
    def model_name(self) -> str:
        """The bare model, for tables."""
        return self.base.name if self.engine == HF else f"{self.base.name} on {self.engine.name}"

    @property
    def grades(self) -> Grades:
        """Verdicts on what the adapted model answers."""
        return self._grades(Stack(self.model, ((self.adapter, 1.0),)))

    @property
    def base_grades(self) -> Grades:
        """Verdicts on what the bare model answers to the same probes."""
        return self._grades(Stack(self.model))

    def jobs(self) -> list[Job]:
        """Everything that the cell needs, with rough estimates for two cores and the shipped model."""
        trained, model, asked = self.adapter, self.model, len(self.probes.probes)
        adapter = Job(trained, self.id, training_seconds(trained), _forms(trained.base))
        bare = Job(self.base_grades, f"{self.model_name}, asked about {self.probes.name}", 0.012 * asked, _forms(model))
        return [bare, Job(self.grades, self.id, 0.015 * asked, (adapter,))]

    def _grades(self, stack: Stack) -> Grades:
        return Grades(Answers(stack, self.probes, dtype=self.engine.dtype))


def _forms(model: Base | Quantised) -> tuple[Job, ...]:
    """What must be made of a base before it is used."""
    if isinstance(model, Base) or isinstance(model.by, BitsAndBytes):
        return ()
    recipe: Recipe = model
    return (Job(recipe, model.name, 30),)


def _number(value: float) -> str:
    """``0.001`` as ``1e_3``, ``1.5`` as ``1p5``: nothing that ``-k`` or a shell would trip on."""
    text = f"{value:g}" if 0.01 < value < 1000 else f"{value:.3e}"
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", "_").replace(".", "p")
