"""The plan of what a session builds; building it here, or while waiting for another process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from filelock import Timeout
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from tabulate import tabulate

from harness.builds._estimates import Estimates
from harness.errors import HarnessError
from harness.recipes import Recipe, digest
from harness.store import Artefact, Store
from harness.training import OnStep
from harness.training import Progress as TrainingProgress

BuildWithProgress = Callable[[Recipe, OnStep], Artefact]
"""Builds a recipe, and calls the function after each step of a training."""
PAUSE = 30.0
"""Seconds between two lines about one training, where there is no terminal."""


class Job(NamedTuple):
    """One artefact to be built."""

    recipe: Recipe
    label: str
    estimate_seconds: float | None = None
    """None where it is not known; a plan estimates it, unless it is given."""
    needs: tuple[Job, ...] = ()
    """What must be built before."""


@dataclass(frozen=True)
class Plan:
    """Every job once, each after the jobs that it needs."""

    todo: tuple[Job, ...]
    cached: tuple[Job, ...]

    @classmethod
    def of(cls, jobs: Iterable[Job], store: Store, device: str | None = None) -> Plan:
        """The plan of ``jobs``, with the seconds that they would take on ``device``."""
        estimates = Estimates(store, device)
        todo: list[Job] = []
        cached: list[Job] = []
        for job in ordered(jobs):
            if store.has(job.recipe):
                cached.append(job)
            elif job.estimate_seconds is None:
                todo.append(job._replace(estimate_seconds=estimates.seconds(job.recipe)))
            else:
                todo.append(job)
        return cls(tuple(todo), tuple(cached))

    @property
    def seconds(self) -> float:
        """Estimated time of what is to be built, without what has no estimate."""
        return sum(job.estimate_seconds or 0.0 for job in self.todo)

    def table(self) -> str:
        """The plan for the terminal."""
        rows = [(kind(job), job.label, "build", _shown(job.estimate_seconds)) for job in self.todo]
        rows += [(kind(job), job.label, "cached", "0") for job in self.cached]
        table = tabulate(
            rows,
            ("artefact", "what", "state", "seconds"),
            "simple",
            colalign=("left", "left", "left", "right"),
        )
        unknown = sum(job.estimate_seconds is None for job in self.todo)
        more = f", without {unknown} of unknown duration" if unknown else ""
        todo = f"{len(self.todo)} to build (about {self.seconds:.0f} s{more})"
        return f"{table}\n\n{todo}, {len(self.cached)} cached"


def _shown(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.0f}"


def lines(say: Callable[[str], None], pause: float = PAUSE) -> OnStep:
    """Reports the progress of trainings, at most every ``pause`` seconds; of short ones nothing."""
    last = time.monotonic()

    def on_step(progress: TrainingProgress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.step == progress.first:  # another training has begun
            last = now - min(pause, progress.seconds) if progress.first == 1 else now
        for note in progress.notes:
            say(f"  {progress.name}: {note}")
        if now - last >= pause:
            last = now
            say(f"  {progress.name}: {progress}")

    return on_step


def launch_here(plan: Plan, build: BuildWithProgress, console: Console | None = None) -> None:
    """Build all of ``plan.todo`` in its order.

    A terminal shows a progress bar. Elsewhere each job is a line, and a long training several.
    """
    console = console or Console(stderr=True)
    if console.is_terminal:
        _launch_with_bar(plan, build, console)
        return

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    for number, job in enumerate(plan.todo, 1):
        say(f"[{number}/{len(plan.todo)}] {kind(job)} {job.label}")
        build(job.recipe, lines(say))


class Bar(Progress):
    """One bar for the whole plan, and below it what is built, each in a line of its own.

    Beside the bar they would be cut off in a terminal of 80 columns.
    """

    title = ""
    figures = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        for line in filter(None, (self.title, self.figures)):
            yield Text(f"  {line}", no_wrap=True, overflow="ellipsis")


def _launch_with_bar(plan: Plan, build: BuildWithProgress, console: Console) -> None:
    # the bar advances by estimated seconds: a training takes much longer than a grading
    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=max(1, round(plan.seconds)))
        done = 0.0
        for number, job in enumerate(plan.todo, 1):
            bar.title, bar.figures = f"{kind(job)} {job.label}", ""
            bar.update(task, description=f"{number}/{len(plan.todo)}")
            seconds = job.estimate_seconds or 0.0
            build(job.recipe, _moving(bar, task, done, seconds))
            done += seconds
            bar.update(task, completed=done)


def _moving(bar: Bar, task: TaskID, done: float, seconds: float) -> OnStep:
    """Moves the bar on by a training's share of its ``seconds``, and shows its step."""

    def on_step(progress: TrainingProgress) -> None:
        for note in progress.notes:  # above the bar, where they stay
            bar.console.print(f"{progress.name}: {note}", highlight=False, markup=False)
        bar.figures = str(progress)
        bar.update(task, completed=done + seconds * progress.step / progress.steps)

    return on_step


class IdleBuilder:
    """Builds one job of a plan at each call: the longest that is ready and that nobody builds.

    A job is ready when the store has all that it needs. If it turns out to need an artefact that
    another process builds, it is put back, because an idle builder must not wait.
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
    def _todo(self) -> list[Job]:
        """Jobs that are not built yet, the longest first; those without an estimate may be longer.

        They are made at the first call: few sessions ever wait.

        There are none where a cell cannot be planned; its test reports that.
        """
        try:
            return sorted(self._plan().todo, key=lambda job: -_duration(job))
        except HarnessError:
            return []

    def _ready(self) -> Iterator[Job]:
        self._todo = [job for job in self._todo if not self._is_built(job)]
        return (
            job
            for job in self._todo
            if all(map(self._is_built, job.needs)) and not self._store.being_built(job.recipe)
        )

    def _try(self, job: Job) -> bool:
        """Build ``job``; False where another process builds what it is made from."""
        try:
            self._build(job.recipe)
        except Timeout:
            return False
        except HarnessError:  # the test that needs it will meet the same error, and report it
            self._todo.remove(job)
        return True

    def _is_built(self, job: Job) -> bool:
        return self._store.peek(job.recipe) is not None


def _duration(job: Job) -> float:
    return math.inf if job.estimate_seconds is None else job.estimate_seconds


def kind(job: Job) -> str:
    """What is built, for the terminal."""
    return type(job.recipe).__name__.lower()


def ordered(jobs: Iterable[Job]) -> Iterator[Job]:
    """Every job once, each after the jobs that it needs."""
    seen: set[str] = set()

    def visit(job: Job) -> Iterator[Job]:
        for need in job.needs:
            yield from visit(need)
        if (name := digest(job.recipe)) not in seen:
            seen.add(name)
            yield job

    for job in jobs:
        yield from visit(job)
