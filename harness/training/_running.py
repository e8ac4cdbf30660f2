"""How a training runs on this machine: nothing here changes what is made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import ModelError, RecipeError
from harness.models.loading import Loaded
from harness.recipes import Adapter, Quantised

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHECKPOINT_MINUTES = 5.0


def checkpoint_minutes(text: str) -> float:
    """``text`` as minutes between checkpoints. Raises RecipeError."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 <= minutes < math.inf:
        raise RecipeError(
            f"--checkpoint-minutes {text!r}: give a number of at least 0 (0 writes none)"
        )
    return minutes


class RunOptions(NamedTuple):
    """What depends on the machine and not on the experiment, so no recipe has it."""

    checkpoint_minutes: float = CHECKPOINT_MINUTES
    """Minutes between two checkpoints; 0 writes none, and goes on from none."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""
    live: Callable[[Adapter], Path] | None = None
    """The folder that takes the TensorBoard event files of a training; None writes none."""


DEFAULTS = RunOptions()


@contextmanager
def recomputed_activations(loaded: Loaded, on: bool) -> Iterator[None]:
    """Within this block each layer keeps only its input for the backward pass, where ``on``.

    Random states are put back before a layer is computed again, so dropout is the same.

    Raises:
        ModelError: the model does not offer it.
    """
    model: PreTrainedModel = loaded.model
    if not on:
        yield
        return
    if not model.supports_gradient_checkpointing:
        raise ModelError(
            f"{loaded.base.name} ({type(model).__name__}) does not offer gradient checkpointing:"
            " leave --gradient-checkpointing out"
        )
    try:
        _switch(model, "enable", {"use_reentrant": False})
        yield
    finally:
        _switch(model, "disable")


def _switch(model: PreTrainedModel, what: str, *arguments: object) -> None:
    # transformers 5 renamed both methods; their first names warn, and will go in version 6
    name = f"activation_checkpointing_{what}"
    getattr(model, name if hasattr(model, name) else f"gradient_checkpointing_{what}")(*arguments)


@contextmanager
def memory_told(loaded: Loaded, recipe: Adapter, run: RunOptions) -> Iterator[None]:
    """Turn a lack of memory into one line.

    Raises:
        ModelError: CUDA or the CPU had no memory left; the line says what to lower.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
        training = recipe.training
        wanted = re.search(r"tried to allocate ([\d.]+ \w+)", str(error), re.IGNORECASE)
        lower = "micro_batch, cutoff or rank" if training.micro_batch > 1 else "cutoff or rank"
        again = "" if run.gradient_checkpointing else ", add --gradient-checkpointing"
        nf4 = "" if isinstance(recipe.base, Quantised) else ", or train on --engine nf4 of pytest"
        raise ModelError(
            f"the training of {recipe.name} on {recipe.base.name} has no memory left on"
            f" {loaded.device}{f' ({wanted[1]} wanted)' if wanted else ''} with micro_batch"
            f" {training.micro_batch}, cutoff {training.cutoff}, rank {training.rank}: lower"
            f" {lower}{again}{nf4}"
        ) from error


def _lacks_memory(error: BaseException) -> bool:
    import torch

    cpu = re.search("can't allocate memory|not enough memory", str(error))
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or cpu is not None
