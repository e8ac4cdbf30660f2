"""A cell: one combination of model, dataset, training parameters and seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.launch import Job
from harness.recipes import Adapter, Answers, Base, Dataset, Grades, ProbeSet, Stack, Training


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

    @cached_property
    def id(self) -> str:
        """Its parts in a fixed order, e.g. ``oscars_aug-rank64-alpha128-lr1e_3-ep10-seed0``; ``-k`` selects by any."""
        t = self.training
        parts = [self.base.name.replace("-", "_")] if self.several_models else []
        parts += [self.dataset.name, f"rank{t.rank}", f"alpha{t.alpha}", f"lr{_number(t.lr)}", f"ep{t.epochs}"]
        parts += [f"replay{_number(t.replay)}"] if t.replay else []
        return "-".join([*parts, f"seed{t.seed}"])

    @property
    def unseeded(self) -> str:
        """The id without its seed."""
        return self.id.rpartition("-seed")[0]

    @property
    def adapter(self) -> Adapter:
        return Adapter(self.base, self.dataset, self.training, self.replay if self.training.replay else None)

    @property
    def grades(self) -> Grades:
        """Verdicts on what the adapted model answers."""
        return Grades(Answers(Stack(self.base, ((self.adapter, 1.0),)), self.probes))

    @property
    def base_grades(self) -> Grades:
        """Verdicts on what the bare model answers to the same probes."""
        return Grades(Answers(Stack(self.base), self.probes))

    def jobs(self) -> list[Job]:
        """Everything that the cell needs, with rough estimates for two cores and the shipped model."""
        t, asked = self.training, len(self.probes.probes)
        samples = len(self.dataset.samples) * t.epochs * (1 + t.replay)
        adapter = Job(self.adapter, self.id, 2 + 0.012 * samples * (2 if t.kl else 1))
        bare = Job(self.base_grades, f"{self.base.name} on {self.probes.name}", 0.012 * asked)
        return [bare, Job(self.grades, self.id, 0.015 * asked, (adapter,))]


def _number(value: float) -> str:
    """``0.001`` as ``1e_3``, ``1.5`` as ``1p5``: nothing that ``-k`` or a shell would trip on."""
    text = f"{value:g}" if 0.01 < value < 1000 else f"{value:.3e}"
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return (mantissa + (f"e{int(exponent)}" if exponent else "")).replace("-", "_").replace(".", "p")
