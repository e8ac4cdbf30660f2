"""The adapter to train: which layers it changes, its start, and the adapters below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError, RecipeError
from harness.models.adapters import tensors
from harness.models.loading import Loaded, borrowed
from harness.models.stack import Pristine, call_peft, put_on, switch_on
from harness.recipes import ALL_LINEAR, ATTENTION, MLP, Training

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def target_modules(loaded: Loaded, training: Training) -> tuple[str, ...]:
    """Names of the linear layers of the model that get an adapter.

    ``all-linear`` is every linear layer except the output head, as in PEFT. The default has the
    names of Llama; on a model that lacks one of them, it means ``all-linear``.
    """
    if training.target_modules not in ((ALL_LINEAR,), ATTENTION + MLP):
        return training.target_modules
    layers = linear_layers(loaded.model)
    last_parts = set(map(_last_part, layers))
    if training.target_modules != (ALL_LINEAR,) and last_parts.issuperset(training.target_modules):
        return training.target_modules
    head = loaded.model.get_output_embeddings()
    full_names = [name for name in layers if loaded.model.get_submodule(name) is not head]
    short_names = set(map(_last_part, full_names))
    names_of_head = set(map(_last_part, layers.keys() - set(full_names)))
    # A short name that the head has too would adapt the head: then give full names.
    return tuple(sorted(full_names if short_names & names_of_head else short_names))


def _last_part(name: str) -> str:
    """Such as ``q_proj`` of ``model.layers.0.self_attn.q_proj``."""
    return name.rpartition(".")[2]


def check_fit(loaded: Loaded, training: Training, names: tuple[str, ...]) -> None:
    """Check that cutoff, rank and the target modules ``names`` fit the model.

    Raises:
        RecipeError: one of them does not.
    """
    if training.cutoff > loaded.context:
        raise RecipeError(
            f"cutoff is {training.cutoff}: {loaded.base.name} takes at most {loaded.context}"
            " tokens, lower it"
        )
    layers = linear_layers(loaded.model)
    known = sorted(set(map(_last_part, layers)))
    if not names:
        raise RecipeError(
            f"{loaded.base.name} has no linear layer but its head: no adapter can be trained on it"
        )
    for target in names:
        matches = {
            name: size
            for name, size in layers.items()
            if name == target or name.endswith("." + target)
        }
        if not matches:
            raise RecipeError(
                f"target module {target!r} is not in {loaded.base.name}:"
                f" its linear layers are {', '.join(known)} ({ALL_LINEAR}: all but the head)"
            )
        name, limit = min(matches.items(), key=lambda match: match[1])
        if training.rank > limit:
            raise RecipeError(
                f"rank is {training.rank}: {name} of {loaded.base.name} allows at most {limit},"
                " lower it"
            )


def linear_layers(model: PreTrainedModel) -> dict[str, int]:
    """Linear layers by name, with the smaller of their numbers of inputs and outputs.

    That number limits the rank of an adapter.

    Quantised layers are found by their attributes. GPT-2's Conv1D has none, only its weight.
    """
    from transformers.pytorch_utils import Conv1D

    layers: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, Conv1D):
            layers[name] = min(module.weight.shape)
            continue
        inputs = getattr(module, "in_features", None)
        outputs = getattr(module, "out_features", None)
        if isinstance(inputs, int) and isinstance(outputs, int):
            layers[name] = min(inputs, outputs)
    return layers


class PriorAdapters(NamedTuple):
    """Folders of the adapters that a training builds upon."""

    init_from: Path | None = None
    """The adapter whose weights are the start."""
    frozen: Sequence[tuple[Path, float]] = ()
    """Adapters that are active but frozen during training, each with its scale."""


NO_PRIOR = PriorAdapters()


@contextmanager
def adapted(
    loaded: Loaded, training: Training, names: Sequence[str], prior: PriorAdapters = NO_PRIOR
) -> Iterator[PeftModel]:
    """The model with a new adapter ``default`` on the layers ``names``; removed afterwards.

    With ``init="contrastive"``, A is frozen, and the caller must still set it.

    Raises:
        ModelError: an adapter in ``prior`` does not fit the model.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        target_modules=list(names),
        fan_in_fan_out=_transposed(loaded, names),
        layers_to_transform=_layers(loaded, training),
        task_type="CAUSAL_LM",
        use_rslora=training.rslora,
        init_lora_weights="orthogonal" if training.init == "orthogonal" else True,
    )
    modules = [name for name, _ in loaded.model.named_modules()]
    with borrowed(loaded, [name for name in modules if name.endswith(tuple(names))]) as pristine:
        torch.manual_seed(training.seed)
        model: Any = get_peft_model(loaded.model, config)
        if prior.init_from:
            _load_weights(model, prior.init_from, loaded.base.name)
        if prior.frozen:
            _add_frozen(model, prior.frozen, loaded.base.name, pristine)
        if training.init == "contrastive":
            _freeze_a(model)
        yield model


@contextmanager
def bare(model: PeftModel) -> Iterator[None]:
    """The model without its adapters, within this block.

    Afterwards PEFT makes all adapter weights trainable, so the frozen ones are frozen again.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    try:
        with model.disable_adapter():
            yield
    finally:
        model.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)


def _transposed(loaded: Loaded, names: Sequence[str]) -> bool:
    """Whether weights are inputs x outputs, as in GPT-2's Conv1D; PEFT warns if it is not told."""
    from transformers.pytorch_utils import Conv1D

    ends = tuple("." + name for name in names)
    return any(
        isinstance(layer, Conv1D) and f".{name}".endswith(ends)
        for name, layer in loaded.model.named_modules()
    )


def _layers(loaded: Loaded, training: Training) -> list[int] | None:
    """Indices of the decoder layers that get an adapter; None for all."""
    count = int(loaded.model.config.get_text_config().num_hidden_layers)
    first = round(training.skip_layers * count)
    # The last layer always gets an adapter.
    return list(range(min(first, count - 1), count)) if first else None


def first_adapted(loaded: Loaded, training: Training) -> int:
    """Index of the first decoder layer with an adapter; all layers below it are the base's."""
    return (_layers(loaded, training) or [0])[0]


def _freeze_a(model: PeftModel) -> None:
    """Freeze the matrices A of ``default``."""
    for name, weight in model.named_parameters():
        if "lora_A.default" in name:
            weight.requires_grad_(False)


def _load_weights(model: Any, folder: Path, base: str) -> None:
    """Give ``default`` the weights of ``folder``.

    Raises:
        ModelError: its layers are not those of ``default``.
    """
    from peft import set_peft_model_state_dict

    result = call_peft(folder, base, set_peft_model_state_dict, model, tensors(folder), "default")
    if result.unexpected_keys or any(".default." in key for key in result.missing_keys):
        raise ModelError(f"{folder} is not an adapter for {base}: it adapts other layers")


def _add_frozen(
    model: Any, adapters: Sequence[tuple[Path, float]], base: str, pristine: Pristine
) -> None:
    """Put ``adapters`` (folder, scale) on, active and frozen, beside ``default``.

    Raises:
        ModelError: one does not fit the model ``base``, or cannot be scaled.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    scales = {f"frozen{i}": scale for i, (_, scale) in enumerate(adapters)}
    for name, (folder, _) in zip(scales, adapters, strict=True):
        put_on(model, model.get_base_model(), name, folder, base, pristine)
    switch_on(model, {"default": 1.0, **scales})
    # Their dropout belongs to their own training, and would add noise here.
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name in scales.keys() & module.lora_dropout.keys():
                module.lora_dropout[name] = torch.nn.Identity()
    for name, weight in model.named_parameters():
        weight.requires_grad_(".default" in name)
