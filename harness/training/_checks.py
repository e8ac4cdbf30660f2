"""What a model must offer for a training to be possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import RecipeError
from harness.models import Loaded
from harness.recipes import ALL_LINEAR, ATTENTION, MLP, Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def targets(loaded: Loaded, training: Training) -> tuple[str, ...]:
    """Names of the linear layers of the model that get an adapter.

    ``all-linear`` is every linear layer but the output head, as PEFT has it. So is the default
    where the model lacks one of its names, which are Llama's.
    """
    if training.target_modules not in ((ALL_LINEAR,), ATTENTION + MLP):
        return training.target_modules
    layers = linears(loaded.model)
    ends = {name.rpartition(".")[2] for name in layers}
    if training.target_modules != (ALL_LINEAR,) and ends.issuperset(training.target_modules):
        return training.target_modules
    head = loaded.model.get_output_embeddings()
    body = [name for name in layers if loaded.model.get_submodule(name) is not head]
    short = {name.rpartition(".")[2] for name in body}
    heads = {name.rpartition(".")[2] for name in layers.keys() - set(body)}
    return tuple(sorted(body if short & heads else short))


def check(loaded: Loaded, training: Training, names: tuple[str, ...]) -> None:
    """Raise RecipeError where cutoff, target modules (``names``) or rank do not fit the model."""
    if training.cutoff > loaded.context:
        raise RecipeError(
            f"cutoff is {training.cutoff}: {loaded.base.name} takes at most {loaded.context} tokens, lower it"
        )
    shapes = linears(loaded.model)
    known = sorted({name.rpartition(".")[2] for name in shapes})
    if not names:
        raise RecipeError(f"{loaded.base.name} has no linear layer but its head: no adapter can be trained on it")
    for target in names:
        hits = {name: least for name, least in shapes.items() if name == target or name.endswith("." + target)}
        if not hits:
            raise RecipeError(
                f"target module {target!r} is not in {loaded.base.name}:"
                f" its linear layers are {', '.join(known)} ({ALL_LINEAR}: all but the head)"
            )
        name, least = min(hits.items(), key=lambda hit: hit[1])
        if training.rank > least:
            raise RecipeError(f"rank is {training.rank}: {name} of {loaded.base.name} allows at most {least}, lower it")


def linears(model: PreTrainedModel) -> dict[str, int]:
    """Linear layers by name, with the smaller of inputs and outputs.

    Quantised ones have the attributes too; GPT-2's Conv1D holds its weight as inputs x outputs.
    """
    from transformers.pytorch_utils import Conv1D

    found: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, Conv1D):
            found[name] = min(module.weight.shape)
            continue
        inputs, outputs = getattr(module, "in_features", None), getattr(module, "out_features", None)
        if isinstance(inputs, int) and isinstance(outputs, int):
            found[name] = min(inputs, outputs)
    return found


def fused_experts(model: PreTrainedModel) -> bool:
    """Whether experts are parameters of three dimensions, which no linear layer holds."""
    return any(".experts." in name and weight.dim() == 3 for name, weight in model.named_parameters())
