"""How much memory a build takes at its peak, and whether there is as much.

It is arithmetic, corrected by what builds of the same form have taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

import psutil

from harness.builds._estimates import FACT, Task, folder_of, task_of
from harness.builds._work import Shape, lora_weights, micro_batch
from harness.measure.machine import gpus, nvml
from harness.recipes import Adapter, Answers, Grades, Likelihoods, Recipe, Timings
from harness.store import Manifest, Store

_PROCESS = 600 * 2**20
"""Resident bytes of Python with torch, transformers and PEFT, before any model."""
_TRAINED = 16
"""Bytes of a trained weight: itself, its gradient, and two moments of AdamW."""
_LOGITS = 4
"""Copies of the logits in a step: with their log-softmax and the gradients of both."""
_BYTES = {"nf4": 0.55, "fp4": 0.55, "int8": 1.1, "gptq": 0.6}
"""Of a weight in forms that are smaller than float32; bfloat16 is only computed in."""
_GIB = 2**30
_ROWS = 64
"""Texts that are answered at once."""
_PROMPT = 256
"""Tokens of a prompt."""
_RECENT = 20
"""Builds that an estimate is corrected by."""
_SPARE = 1.2
"""What other answers may take beside those that were measured."""
_PEAK = {"cpu": "peak_rss_bytes", "cuda": "peak_vram_reserved_bytes"}


def memory_of(recipe: Recipe, store: Store, device: str) -> float | None:
    """Bytes that the build of ``recipe`` takes on ``device`` (``cpu`` or ``cuda``).

    Schedulers place builds by it. None where the size of its model is not known.
    """
    if isinstance(recipe, Grades):
        return memory_of(recipe.answers, store, device)
    task = task_of(recipe, store)
    if task is None or task.shape is None:
        return None
    taken = list(_taken(store, task, device))
    if isinstance(recipe, Adapter):  # the largest, as too little memory kills a training
        return max([training_bytes(recipe, store, device) or 0.0, *taken])
    process = _PROCESS if device == "cpu" else 0
    return median(taken) * _SPARE if taken else process + _other_bytes(recipe, task, task.shape)


def _taken(store: Store, task: Task, device: str) -> Iterator[float]:
    """Peaks of builds of the same kind, form and model."""
    manifests: list[Manifest] = store.last(task.kind.lower(), _RECENT)
    for manifest in manifests:
        done = manifest.facts.get(FACT)
        peak = manifest.facts.get(_PEAK[device])
        if done and peak and (done["form"], done["model"]) == (task.form, task.model):
            yield float(peak)


def _other_bytes(recipe: Recipe, task: Task, shape: Shape) -> float:
    """Of what is no training: the weights, and where text is read the keys and values of it."""
    total = shape.parameters * _weight(task.form)
    if not isinstance(recipe, Answers | Likelihoods | Timings):
        return 2 * total  # conversions and merges hold what they read and what they write
    number = 2.0 if "float16" in task.form else 4.0
    loras = sum(lora_weights(lora, shape) for lora in recipe.stack.loras)
    new = recipe.decoding.max_new_tokens if isinstance(recipe, Answers) else 0
    rows = min(_ROWS, len(recipe.probes.probes))
    return total + 4.0 * loras + rows * (_PROMPT + new) * shape.layers * 2 * shape.hidden * number


def _weight(form: str) -> float:
    """Bytes of a weight in ``form``, as ``hf bfloat16``."""
    small = {**_BYTES, "bfloat16": 2.0, " float16": 2.0}
    return next((size for name, size in small.items() if name in form), 4.0)


def training_bytes(recipe: Adapter, store: Store, device: str) -> float | None:
    """Peak of the memory of a training of ``recipe``; None where its model's size is not known.

    On ``cpu`` the resident set of the process, on ``cuda`` what torch allocates.
    """
    task = task_of(recipe, store)
    if task is None or task.shape is None:
        return None
    training, shape = recipe.training, task.shape
    tokens, bearing = micro_batch(recipe, folder_of(recipe.base, store))
    each = next((size for name, size in _BYTES.items() if name in task.form), 4.0)
    weights = each * shape.body + 4 * shape.head
    states = _activations(shape, training.rank) * (1 - training.skip_layers)
    vocabulary = shape.head / shape.hidden
    half = 2 if training.dtype == "bfloat16" else 4
    process = _PROCESS if device == "cpu" else 0
    adapter = _TRAINED * shape.lora(training)
    return process + weights + adapter + half * tokens * states + 4 * _LOGITS * bearing * vocabulary


def _activations(shape: Shape, rank: int) -> float:
    """Numbers of a token that the layers keep for the backward pass.

    Inputs and outputs of each matrix, what the adapter has between its two, and what the two norms
    of a layer read.
    """
    sides = sum((rows + columns + rank) * count for _, rows, columns, count in shape.matrices)
    return sides + 2 * shape.hidden * shape.layers


def memory_note(
    recipes: Iterable[Recipe],
    store: Store,
    device: str | None = None,
    *,
    only_where_short: bool = False,
) -> str:
    """A line on the largest training of ``recipes``; empty where none has a known size.

    Where there is less memory, the line says so, and what to lower. ``only_where_short``: empty
    where it fits, too.
    """
    device = device or ("cuda" if gpus() else "cpu")
    sizes = [
        (size, recipe)
        for recipe in recipes
        if isinstance(recipe, Adapter) and (size := training_bytes(recipe, store, device))
    ]
    if not sizes:
        return ""
    size, recipe = max(sizes, key=lambda each: each[0])
    there = _available(device)
    line = f"peak memory about {size / _GIB:.1f} GiB (training of {recipe.name}"
    line = f"{line} on {recipe.base.name}), {there / _GIB:.1f} GiB available"
    if size <= there:
        return "" if only_where_short else line
    lower = "micro_batch, cutoff or rank" if recipe.training.micro_batch > 1 else "cutoff or rank"
    return f"{line}: it will not fit, lower {lower}, or add --gradient-checkpointing"


def _available(device: str) -> int:
    driver = nvml()
    if device == "cpu" or driver is None:
        return psutil.virtual_memory().available + psutil.Process().memory_info().rss
    return max(int(driver.nvmlDeviceGetMemoryInfo(gpu).free) for gpu in gpus())
