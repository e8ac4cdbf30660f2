"""What answers: a base in the form of an engine, with adapters on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.builds import Job
from harness.engines import HF, EngineSpec
from harness.errors import RecipeError
from harness.experiments.adapter_specs import (
    AdapterSpec,
    ExternalSpec,
    MergedSpec,
    adapter_job,
    trained_adapters,
)
from harness.recipes import Adapter, Base, Dataset, ExternalAdapter, Lora, Quantised, Stack


@dataclass(frozen=True)
class Subject:
    """What answers: a base in the form of an engine, with adapters on it."""

    base: Base
    engine: EngineSpec = HF
    adapters: tuple[AdapterSpec | MergedSpec | ExternalSpec, ...] = ()
    """Bottom first; with none the bare model answers."""
    trained_on: Base | None = None
    """Where the adapters are trained, if on a sibling of ``base``."""
    calibration_text: Dataset | None = None
    """Text on which GPTQ weighs its errors."""

    @property
    def name(self) -> str:
        """The name of the bare model in tables."""
        if self.engine == HF:
            return self.base.name
        return f"{self.base.name} on {self.engine.name}"

    @property
    def external(self) -> tuple[ExternalSpec, ...]:
        """The adapters that were made elsewhere."""
        return tuple(spec for spec in self.adapters if isinstance(spec, ExternalSpec))

    @property
    def trains(self) -> bool:
        """Whether an adapter is trained for it."""
        return len(self.external) < len(self.adapters)

    @cached_property
    def model(self) -> Base | Quantised:
        """The base in the form that answers."""
        return self.engine.answering(self.base, self._text)

    @cached_property
    def loras(self) -> tuple[Lora, ...]:
        """Recipes of the adapters that are made here, bottom first."""
        base = self.engine.training(self.trained_on or self.base, self._text)
        return tuple(spec.on(base) for spec in self.adapters if not isinstance(spec, ExternalSpec))

    @property
    def trained(self) -> tuple[Adapter, ...]:
        """Every adapter that is trained for it, each once, after its parents."""
        return trained_adapters(self.loras)

    @cached_property
    def stack(self) -> Stack:
        """The model with all adapters on."""
        # trained and external adapters keep the order of the design
        loras = iter(self.loras)
        adapters: list[tuple[Lora | ExternalAdapter, float]] = [
            (spec.adapter if isinstance(spec, ExternalSpec) else next(loras), spec.scale)
            for spec in self.adapters
        ]
        return Stack(self.model, tuple(adapters), of_sibling=self.trained_on is not None)

    @cached_property
    def bare(self) -> Stack:
        """The model without adapters."""
        return Stack(self.model)

    @property
    def each(self) -> tuple[Stack, ...]:
        """The model with each adapter alone."""
        return tuple(Stack(self.model, (adapter,)) for adapter in self.stack.adapters)

    def jobs(self, label: str) -> tuple[Job, ...]:
        """Builds of its adapters."""
        return tuple(adapter_job(lora, label) for lora in self.loras)

    @property
    def _text(self) -> Dataset:
        if self.calibration_text is None:
            raise RecipeError(
                f"{self.name} has no text to calibrate a quantised base on: give some"
            )
        return self.calibration_text
