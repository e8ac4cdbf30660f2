"""What a user sees of builds that run at the same time: one bar, or a line for each."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.builds._launch import Bar, Job, Plan, kind, lines
from harness.recipes import digest
from harness.training import OnStep, Progress

_TITLES = 2
"""Running builds that are named below the bar."""


class Shown:
    """Progress of a plan, as a context manager: a bar in a terminal, elsewhere lines."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._count = len(plan.todo)
        self._console = console
        self._finished = 0
        self._seconds = 0.0
        self._running: dict[str, tuple[Job, float]] = {}
        """By digest: the build, and the share of it that is done."""
        self._lines: dict[str, OnStep] = {}
        self._bar: Bar | None = None
        if console.is_terminal:
            text = TextColumn("{task.description}")
            columns = (text, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=console, transient=True)
            self._task = self._bar.add_task("", total=max(1, round(plan.seconds)))

    def __enter__(self) -> Shown:
        if self._bar:
            self._bar.start()
            self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, line: str) -> None:
        """A line that stays: above the bar, where there is one."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def started(self, job: Job) -> None:
        """A process has begun to build ``job``."""
        self._running[digest(job.recipe)] = (job, 0.0)
        self._draw()

    def step(self, job: Job, progress: Progress) -> None:
        """A training is at a step."""
        if self._bar is None:
            say: Callable[[str], None] = self.say
            self._lines.setdefault(digest(job.recipe), lines(say))(progress)
            return
        for note in progress.notes:
            self.say(f"{progress.name}: {note}")
        self._running[digest(job.recipe)] = (job, progress.step / progress.steps)
        self._bar.figures = f"{progress.name}: {progress}"
        self._draw()

    def done(self, job: Job, seconds: float, host: str) -> None:
        """``job`` is built, in ``seconds`` on ``host``."""
        self._finished += 1
        self._seconds += job.estimate_seconds or 0.0
        self._running.pop(digest(job.recipe), None)
        if self._bar is None:
            place = f"[{self._finished}/{self._count}]"
            self.say(f"{place} {kind(job)} {job.label} ({seconds:.0f} s on {host})")
        self._draw()

    def _draw(self) -> None:
        if self._bar is None:
            return
        labels = [f"{kind(job)} {job.label}" for job, _ in self._running.values()]
        more = f" and {len(labels) - _TITLES} more" if len(labels) > _TITLES else ""
        self._bar.title = f"{'; '.join(labels[:_TITLES])}{more}"
        under_way = sum((job.estimate_seconds or 0.0) * share for job, share in
                        self._running.values())  # fmt: skip
        self._bar.update(
            self._task,
            description=f"{self._finished}/{self._count}",
            completed=self._seconds + under_way,
        )
