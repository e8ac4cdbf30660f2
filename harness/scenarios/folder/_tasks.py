"""Question sets of lm-evaluation-harness as probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.datasets import CHOICE, GENERATE, Task, read_task
from harness.errors import DataError
from harness.formats import PLAIN
from harness.recipes import Probe
from harness.scenarios.folder._tables import Asked

Tasks = Mapping[str, Task]
"""By the kind of their probes: the task's name, or ``locality_`` and that."""


def read_tasks(folder: Path, asked: str, untouched: str) -> Tasks:
    """Those in ``{asked}*.yaml`` and ``{untouched}*.yaml``. Raises DataError."""
    found: dict[str, Task] = {}
    for stem, prefix in ((asked, ""), (untouched, "locality_")):
        for path in sorted(folder.glob(f"{stem}*.yaml")):
            task = read_task(path)
            kind = f"{prefix}{task.name}".lower()
            if kind in found:
                raise DataError(f"{path}: the task {task.name!r} is there twice: rename one")
            found[kind] = task
    return found


def asked_of_tasks(tasks: Tasks) -> Iterator[Asked]:
    """Every question, to be answered in the model's own words."""
    for kind, task in tasks.items():
        for number, item in enumerate(task.items):
            right = item.choices[:1] if task.kind == CHOICE else item.choices
            yield Asked(item.where, kind, f"{kind} {number}", item.prompt, PLAIN, right)


def scored_of_tasks(tasks: Tasks) -> Iterator[Probe]:
    """Every choice of every question, the right one first; or the right one alone."""
    for kind, task in tasks.items():
        for number, item in enumerate(task.items):
            if task.kind != GENERATE:
                yield Probe(f"choice/{kind}/{number}", kind, f"{kind} {number}", item.prompt, item.choices)
