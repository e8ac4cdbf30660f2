"""What a session has to build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tabulate import tabulate

from harness.recipes import Adapter, Recipe, digest
from harness.store import Store


class Job(NamedTuple):
    """One artefact to be built."""

    recipe: Recipe
    label: str
    estimate_seconds: float
    needs: tuple[Job, ...] = ()
    """What must be built before."""


@dataclass(frozen=True)
class Plan:
    """Every job once, whatever it needs before it."""

    todo: tuple[Job, ...]
    cached: tuple[Job, ...]

    @classmethod
    def of(cls, jobs: Iterable[Job], store: Store) -> Plan:
        todo: list[Job] = []
        cached: list[Job] = []
        for job in _ordered(jobs):
            (cached if store.peek(job.recipe) else todo).append(job)
        return cls(tuple(todo), tuple(cached))

    @property
    def seconds(self) -> float:
        """Estimated time of what is to be built."""
        return sum(job.estimate_seconds for job in self.todo)

    def table(self) -> str:
        """The plan for the terminal."""
        rows = [(kind(job), job.label, "build", f"{job.estimate_seconds:.0f}") for job in self.todo]
        rows += [(kind(job), job.label, "cached", "0") for job in self.cached]
        found = tabulate(
            rows,
            ("artefact", "what", "state", "seconds"),
            "simple",
            colalign=("left", "left", "left", "right"),
        )
        return (
            f"{found}\n\n{len(self.todo)} to build (about {self.seconds:.0f} s), {len(self.cached)}"
            " cached"
        )


def kind(job: Job) -> str:
    return type(job.recipe).__name__.lower()


_SAMPLE = 200
"""Characters of running text that cost about as much as one short sample."""


def training_seconds(adapter: Adapter) -> float:
    """A rough estimate for two cores and the shipped model."""
    t = adapter.training
    lengths = (len(sample.prompt + sample.completion) for sample in adapter.dataset.samples)
    samples = (
        sum(max(1.0, length / _SAMPLE) for length in lengths) * t.cutoff / (t.cutoff - t.overlap)
    )
    return 2 + 0.012 * samples * t.epochs * (1 + t.replay) * (2 if t.kl else 1)


def _ordered(jobs: Iterable[Job]) -> Iterator[Job]:
    seen: set[str] = set()

    def visit(job: Job) -> Iterator[Job]:
        for need in job.needs:
            yield from visit(need)
        if (name := digest(job.recipe)) not in seen:
            seen.add(name)
            yield job

    for job in jobs:
        yield from visit(job)
