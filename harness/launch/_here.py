"""Builds in this process, one after the other, under one progress bar."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.launch._plan import Plan, kind
from harness.recipes import Recipe
from harness.store import Artefact

_COLUMNS = ("[progress.description]{task.description}",)


def launch_here(plan: Plan, build: Callable[[Recipe], Artefact], console: Console | None = None) -> None:
    """Build all of ``plan.todo`` in its order.

    The bar advances by estimated seconds, so that a long training counts for more than a grading; away from a
    terminal each job is a line.
    """
    console = console or Console(stderr=True)
    total = len(plan.todo)
    if not console.is_terminal:
        for number, job in enumerate(plan.todo, 1):
            console.print(f"[{number}/{total}] {kind(job)} {job.label}", highlight=False, markup=False, soft_wrap=True)
            build(job.recipe)
        return
    columns = (TextColumn(_COLUMNS[0]), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=max(1, round(plan.seconds)))
        for number, job in enumerate(plan.todo, 1):
            progress.update(bar, description=f"{number}/{total} {kind(job)} {job.label}")
            build(job.recipe)
            progress.advance(bar, round(job.estimate_seconds))
