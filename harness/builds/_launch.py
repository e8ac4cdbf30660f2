"""What a session has to build, and where: in this process, or while it waits for another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from filelock import Timeout
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tabulate import tabulate

from harness import training
from harness.errors import HarnessError
from harness.recipes import Adapter, Recipe, digest
from harness.store import Artefact, Store


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


PAUSE = 10.0
"""Seconds between two lines about one training, where there is no terminal."""
_COLUMNS = ("[progress.description]{task.description}",)

BuildWithProgress = Callable[[Recipe, training.OnStep], Artefact]
"""Builds a recipe, and calls what it is given after each step of a training."""


def lines(say: Callable[[str], None], pause: float = PAUSE) -> training.OnStep:
    """What says how far a training is, at most every ``pause`` seconds; short ones say nothing."""
    last = time.monotonic()

    def on_step(progress: training.Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.step == 1:  # of another training
            last = now - min(pause, progress.seconds)
        if now - last >= pause:
            last = now
            say(f"  {progress.name}: {progress}")

    return on_step


def launch_here(plan: Plan, build: BuildWithProgress, console: Console | None = None) -> None:
    """Build all of ``plan.todo`` in its order.

    The bar advances by estimated seconds, so that a long training counts for more than a grading,
    and shows the step of a training; away from a terminal each job is a line, and a long training
    several.
    """
    console = console or Console(stderr=True)
    total = len(plan.todo)
    if not console.is_terminal:

        def say(line: str) -> None:
            console.print(line, highlight=False, markup=False, soft_wrap=True)

        for number, job in enumerate(plan.todo, 1):
            say(f"[{number}/{total}] {kind(job)} {job.label}")
            build(job.recipe, lines(say))
        return
    columns = (TextColumn(_COLUMNS[0]), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=max(1, round(plan.seconds)))
        done = 0.0
        for number, job in enumerate(plan.todo, 1):
            title = f"{number}/{total} {kind(job)} {job.label}"
            share = job.estimate_seconds

            def on_step(
                at: training.Progress, title: str = title, done: float = done, share: float = share
            ) -> None:
                bars.update(
                    bar, description=f"{title}: {at}", completed=done + share * at.step / at.steps
                )

            bars.update(bar, description=title)
            build(job.recipe, on_step)
            done += share
            bars.update(bar, completed=done)


class IdleBuilder:
    """Builds one job of a plan at each call, the longest that is ready and that nobody is at.

    Ready is what has all that it needs in the store. What then needs more than its job says, and
    finds somebody at it (this process, perhaps, further up), is left alone for now: a job waits for
    nobody.
    """

    def __init__(
        self, plan: Callable[[], Plan], store: Store, build: Callable[[Recipe], Artefact]
    ) -> None:
        self._plan = plan
        self._store = store
        self._build = build

    def __call__(self) -> bool:
        """Whether there was something to build."""
        with self._store.without_waiting():
            return any(map(self._try, self._ready()))

    @cached_property
    def _left(self) -> list[Job]:
        """Made when it is first asked for, as few sessions ever wait.

        None where a cell cannot be planned, which its test tells.
        """
        try:
            return sorted(self._plan().todo, key=lambda job: -job.estimate_seconds)
        except HarnessError:
            return []

    def _ready(self) -> Iterator[Job]:
        self._left = [job for job in self._left if not self._there(job)]
        return (
            job
            for job in self._left
            if all(map(self._there, job.needs)) and not self._store.being_built(job.recipe)
        )

    def _try(self, job: Job) -> bool:
        """False where somebody is at what it is made from."""
        try:
            self._build(job.recipe)
        except Timeout:
            return False
        except HarnessError:  # which the test that asks for it will meet again, and tell
            self._left.remove(job)
        return True

    def _there(self, job: Job) -> bool:
        return self._store.peek(job.recipe) is not None
