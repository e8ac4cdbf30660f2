"""What a model must offer for a training to be possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import RecipeError
from harness.models import Loaded
from harness.recipes import Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check(loaded: Loaded, training: Training) -> None:
    """Raise RecipeError where cutoff, target modules or rank do not fit the model."""
    if training.cutoff > loaded.context:
        raise RecipeError(
            f"cutoff is {training.cutoff}: {loaded.base.name} takes at most {loaded.context} tokens, lower it"
        )
    shapes = _linears(loaded.model)
    known = sorted({name.rpartition(".")[2] for name in shapes})
    for target in training.target_modules:
        hits = {name: least for name, least in shapes.items() if name == target or name.endswith("." + target)}
        if not hits:
            raise RecipeError(
                f"target module {target!r} is not in {loaded.base.name}: its linear layers are {', '.join(known)}"
            )
        name, least = min(hits.items(), key=lambda hit: hit[1])
        if training.rank > least:
            raise RecipeError(f"rank is {training.rank}: {name} of {loaded.base.name} allows at most {least}, lower it")


def _linears(model: PreTrainedModel) -> dict[str, int]:
    """Linear layers by name, with the smaller of inputs and outputs. Quantised ones have the attributes too."""
    found: dict[str, int] = {}
    for name, module in model.named_modules():
        inputs, outputs = getattr(module, "in_features", None), getattr(module, "out_features", None)
        if isinstance(inputs, int) and isinstance(outputs, int):
            found[name] = min(inputs, outputs)
    return found
