"""How long builds take here: their work by arithmetic, over the rate that this machine has shown.

The rate is that of artefacts in the store: of the same model, else of others in the same form. On a
CPU without any, a few matrix products are timed. What none of these can say has no estimate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.builds._work import (
    Shape,
    Work,
    answers_work,
    lora_weights,
    reading_work,
    shape_of,
    training_work,
)
from harness.measure import product_rate
from harness.measure.machine import gpus, machine
from harness.recipes import (
    Adapter,
    Answers,
    Base,
    Decoding,
    Dequantised,
    GgufBase,
    Grades,
    Likelihoods,
    Meanings,
    Merged,
    Quantised,
    Recipe,
    Routed,
    ServedBase,
    Sibling,
    Timings,
    digest,
)
from harness.store import Store

FACT = "work"
"""The fact of a manifest that says how much was computed."""
_RECENT = 12
"""Builds of a kind that give a rate: the last ones, as machines and their load change."""
_READ = 60
"""Manifests of a kind that are read for them."""
_GRADING = 5e-4
"""Seconds for one answer in the fuzzy grader, until some are measured: it depends on no model."""
_COMPARING = 0.02
"""The same for one comparison by sentence embeddings."""
_CPU, _GPU = "cpu", "cuda"


class Pace(NamedTuple):
    """Seconds of a unit of work."""

    operation: float
    call: float

    def seconds(self, work: Work) -> float:
        """Of ``work``."""
        return self.operation * work.operations + self.call * work.calls


_TRAINING = Pace(1 / 0.57, 300.0)
_ANSWERING = Pace(1 / 0.55, 150.0)
"""In units of a machine: of one operation in a matrix product, and of one very small product.

Layers in training and answers are less efficient than a bare product, and each has its fixed cost.
"""
_USUAL = Pace(1e-11, 2e-6)
"""Of a machine, where only the ratio of two works counts."""


class Task(NamedTuple):
    """What a build computes."""

    kind: str
    """Builds of one kind and form take time in proportion to their work."""
    form: str
    """Of the model: ``hf float32``, ``nf4``, ``gguf q4_0``."""
    model: str
    """Digest of the model."""
    work: Work
    shape: Shape | None

    @property
    def units(self) -> float:
        """The work as seconds of a usual machine: for ratios alone."""
        return _pace(self.kind, _USUAL).seconds(self.work)

    def facts(self) -> dict[str, Any]:
        """For a manifest."""
        return {"form": self.form, "model": self.model, **self.work._asdict()}


def task_of(recipe: Recipe, store: Store | None) -> Task | None:
    """What the build of ``recipe`` computes, without what it is made from; None where unknown.

    ``store`` has the tokenizer of a dequantised GGUF file. With None its tokens are guessed from
    characters, so that the answer depends on the recipe alone.
    """
    if isinstance(recipe, Grades):
        judged = digest(recipe.calibration.judge) if recipe.calibration else ""
        count = len(recipe.answers.probes.probes)
        return Task("Grades", recipe.grader, judged, Work(0, count), None)
    kind = type(recipe).__name__
    if isinstance(recipe, Meanings):
        count = len(recipe.answers.probes.probes)
        return Task(kind, recipe.embedder.name, "", Work(0, count), None)
    model = _model(recipe)
    if model is None:
        return None
    dtype = getattr(recipe, "dtype", "float32")
    where = _source(model, store)
    shape = shape_of(where) if where else None
    work = _work(recipe, shape, _folder(model, store))
    return Task(kind, _form(recipe, model, dtype), digest(model), work, shape) if work else None


def _model(recipe: Recipe) -> Base | Quantised | None:
    if isinstance(recipe, Answers | Likelihoods | Timings):
        return recipe.stack.base
    if isinstance(recipe, Adapter | Merged):
        return recipe.base
    if isinstance(recipe, Sibling | Dequantised):
        return recipe.origin if isinstance(recipe, Dequantised) else recipe.adapter.base.origin
    return recipe.base if isinstance(recipe, Quantised) else None


def _form(recipe: Recipe, model: Base | Quantised, dtype: str) -> str:
    by = recipe.by if isinstance(recipe, Quantised) else getattr(model, "by", None)
    if by is not None:
        bits = getattr(by, "bits", "")
        return f"{type(by).__name__.lower()} {getattr(by, 'kind', bits)}"
    if isinstance(model, ServedBase):
        return "served"
    return "gguf" if isinstance(model, GgufBase) else f"hf {dtype}"


def _work(recipe: Recipe, shape: Shape | None, folder: Path) -> Work | None:
    if isinstance(recipe, Answers | Timings) and shape is None:
        return Work(0, len(recipe.probes.probes))  # its model's own rate may be known all the same
    if shape is None:
        return None
    if isinstance(recipe, Adapter):
        return training_work(recipe, shape, folder)
    if isinstance(recipe, Answers):
        return answers_work(recipe.stack, recipe.probes, recipe.decoding, shape, folder)
    if isinstance(recipe, Likelihoods):
        return reading_work(recipe.probes, recipe.stack, shape, folder)
    if isinstance(recipe, Timings):
        stack, new = recipe.stack, recipe.tokens
        each = answers_work(stack, recipe.probes, Decoding(), shape, folder, new)
        return each.times(2 * (recipe.rounds + 1))
    if isinstance(recipe, Merged):
        return Work(lora_weights(recipe, shape), 0)
    return Work(shape.parameters, 0)


def _source(model: Base | Quantised, store: Store | None) -> Path | None:
    """Whose headers tell the model's size; None for a model on a server."""
    if isinstance(model, ServedBase):
        return None
    return Path(model.path) if isinstance(model, GgufBase) else _folder(model, store)


def _folder(model: Base | Quantised, store: Store | None) -> Path:
    """The folder of the model, or of what it is made from: that has the same size and tokens."""
    if isinstance(model, Quantised):
        return _folder(model.base, store)
    if isinstance(model, Sibling):
        return _folder(model.adapter.base.origin, store)
    if isinstance(model, GgufBase) and model.trains:
        made = store.peek(Dequantised.of(model)) if store else None
        return made.path if made else Path(model.path)
    if isinstance(model, Dequantised):
        return _folder(model.base, store)
    return Path(model.path)


def folder_of(model: Base | Quantised, store: Store) -> Path:
    """The folder with the tokenizer of ``model``."""
    return _folder(model, store)


class _Past(NamedTuple):
    """A build that was measured."""

    task: dict[str, Any]
    units: float
    seconds: float
    here: bool
    """Whether on this machine with as many threads as now."""


class Estimates:
    """Seconds of builds, from what ``store`` holds."""

    def __init__(self, store: Store, device: str | None = None) -> None:
        self._store = store
        self._device = device or (_GPU if gpus() else _CPU)
        self._past: dict[str, list[_Past]] = {}

    def seconds(self, recipe: Recipe) -> float | None:
        """Of the build of ``recipe``; None where nothing here tells.

        What a grading has to answer first is included: a plan has no line of its own for it.
        """
        own = self._own(recipe)
        if not isinstance(recipe, Grades) or self._store.peek(recipe.answers):
            return own
        given = recipe.answers
        parts = given.parts if isinstance(given, Routed) else (given,)
        all_parts = [own, *(self._own(part) for part in parts if not self._store.peek(part))]
        known = [seconds for seconds in all_parts if seconds is not None]
        return sum(known) if len(known) == len(all_parts) else None

    def _own(self, recipe: Recipe) -> float | None:
        task = task_of(recipe, self._store)
        if task is None:
            return None
        ratio = self._ratio(task)
        if ratio is not None:
            return ratio * task.units
        if task.kind == "Grades":
            return None if task.model else _GRADING * task.work.calls
        if task.kind == "Meanings":
            return _COMPARING * task.work.calls
        if task.kind not in _PACES or task.form != "hf float32" or self._device != _CPU:
            return None
        return (
            None if task.shape is None else _pace(task.kind, probe(task.shape)).seconds(task.work)
        )

    def _ratio(self, task: Task) -> float | None:
        """Seconds of a unit, in the builds that are most like ``task``; None without any."""
        past = [each for each in self._read(task.kind) if each.task["form"] == task.form]
        same = [each for each in past if each.task["model"] == task.model]
        others = past if task.shape else []
        for group in ([p for p in same if p.here], same, [p for p in others if p.here]):
            if group:
                recent = group[:_RECENT]
                return sum(p.seconds for p in recent) / sum(p.units for p in recent)
        return None

    def _read(self, kind: str) -> list[_Past]:
        """Builds of a kind, the last first."""
        if kind not in self._past:
            self._past[kind] = list(_past(self._store, kind, self._device))
        return self._past[kind]


def _past(store: Store, kind: str, device: str) -> Iterator[_Past]:
    for manifest in store.last(kind.lower(), _READ):
        facts = manifest.facts
        done = facts.get(FACT)
        used = _GPU if facts.get("peak_vram_bytes") else _CPU
        if done is None or facts.get("status", "ok") != "ok":
            continue
        if kind in _PACES and used != device:
            continue
        units = _pace(kind, _USUAL).seconds(Work(done["operations"], done["calls"]))
        here, there = (text.rpartition(",")[0] for text in (machine(), manifest.machine))
        if units > 0:
            yield _Past(done, units, facts.get("seconds", manifest.seconds), here == there)


def recorded(
    recipe: Recipe, store: Store, make: Callable[[Path], dict[str, Any]]
) -> Callable[[Path], dict[str, Any]]:
    """``make``, whose facts also say how much was computed, for later estimates."""

    def made(folder: Path) -> dict[str, Any]:
        facts = make(folder)
        task = task_of(recipe, store)
        if task is None:
            return facts
        return {**facts, FACT: task.facts(), **_use_of_machine(recipe, task, facts)}

    return made


def _use_of_machine(recipe: Recipe, task: Task, facts: dict[str, Any]) -> dict[str, float]:
    """``mfu`` of a whole training: its operations over what matrix products reach in the time.

    The time is on a CPU that of its processors, so that other load does not count.
    """
    if not isinstance(recipe, Adapter) or facts["status"] != "ok":
        return {}
    device = _GPU if facts["peak_vram_bytes"] else _CPU
    used = facts["seconds" if device == _GPU else "cpu_seconds"]
    peak = product_rate(device, recipe.training.dtype)
    return {"mfu": task.work.operations / (used * peak)} if used else {}


_PACES = {
    "Adapter": _TRAINING,
    **dict.fromkeys(("Answers", "Likelihoods", "Timings"), _ANSWERING),
}


def _pace(kind: str, here: Pace) -> Pace:
    """Of builds of a kind on a machine; other kinds are in proportion to weights or lines."""
    needs = _PACES.get(kind, Pace(1.0, 1.0))
    return Pace(needs.operation * here.operation, needs.call * here.call)


@cache
def probe(shape: Shape) -> Pace:
    """Seconds here of an operation in a matrix product of the model's size, and of a tiny product.

    It takes about a fifth of a second.
    """
    wide = 4 * shape.hidden
    rows = np.full((128, shape.hidden), 0.5, np.float32)
    weights = np.full((shape.hidden, wide), 0.5, np.float32)
    tiny = np.full((4, 4), 0.5, np.float32)
    large = _fastest(lambda: rows @ weights)
    return Pace(large / (2 * rows.size * wide), _fastest(lambda: tiny @ tiny))


def _fastest(product: Callable[[], object], seconds: float = 0.1) -> float:
    """The median of many, so that other load on the machine counts as it is."""
    end = time.perf_counter() + seconds
    taken: list[float] = []
    while time.perf_counter() < end or len(taken) < 3:
        start = time.perf_counter()
        product()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]
