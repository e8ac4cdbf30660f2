"""The adapter that is trained, on a base that may bear others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError
from harness.models.adapters import tensors
from harness.models.loading import Loaded, borrowed
from harness.models.pristine import Pristine
from harness.models.stack import put_on, read, switch_on
from harness.recipes import Training

if TYPE_CHECKING:
    from peft import PeftModel


class PriorAdapters(NamedTuple):
    """Folders of the adapters that one builds upon."""

    init_from: Path | None = None
    """Whose weights the training goes on from."""
    frozen: Sequence[tuple[Path, float]] = ()
    """What is on, frozen, while it is trained, each with its scale."""


NOTHING = PriorAdapters()


@contextmanager
def adapted(
    loaded: Loaded, training: Training, names: Sequence[str], prior: PriorAdapters = NOTHING
) -> Iterator[PeftModel]:
    """The model with the adapter ``default`` to be trained; taken off again afterwards. Raises
    ModelError.

    ``names`` are those of the layers that get an adapter.

    Where A begins is ``contrastive``, it is not to be trained, and still to be aimed.
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
            _go_on(model, prior.init_from, loaded.base.name)
        if prior.frozen:
            _lay_under(model, prior.frozen, loaded.base.name, pristine)
        if training.init == "contrastive":
            _keep_a(model)
        yield model


@contextmanager
def bare(model: PeftModel) -> Iterator[None]:
    """Without adapters. PEFT would let all of their weights be trained afterwards, those that are
    frozen too."""
    trained = [p for p in model.parameters() if p.requires_grad]
    try:
        with model.disable_adapter():
            yield
    finally:
        model.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)


def _transposed(loaded: Loaded, names: Sequence[str]) -> bool:
    """Whether the layers hold inputs x outputs, as GPT-2's do; PEFT warns where it must
    find out."""
    from transformers.pytorch_utils import Conv1D

    ends = tuple("." + name for name in names)
    return any(
        isinstance(layer, Conv1D) and f".{name}".endswith(ends)
        for name, layer in loaded.model.named_modules()
    )


def _layers(loaded: Loaded, training: Training) -> list[int] | None:
    """Of the decoder, those that get an adapter; None where all do."""
    count = int(loaded.model.config.get_text_config().num_hidden_layers)
    first = round(training.skip_layers * count)
    return list(range(min(first, count - 1), count)) if first else None


def _keep_a(model: PeftModel) -> None:
    for name, weight in model.named_parameters():
        if "lora_A.default" in name:
            weight.requires_grad_(False)


def _go_on(model: Any, folder: Path, base: str) -> None:
    """Give ``default`` the weights of ``folder``. Raises ModelError where some are missing or have
    no place."""
    from peft import set_peft_model_state_dict

    told = read(folder, base, set_peft_model_state_dict, model, tensors(folder), "default")
    if told.unexpected_keys or any(".default." in key for key in told.missing_keys):
        raise ModelError(f"{folder} is no adapter for {base}: it adapts other layers")


def _lay_under(
    model: Any, adapters: Sequence[tuple[Path, float]], base: str, pristine: Pristine
) -> None:
    """Put frozen adapters on beside ``default``; their own dropout is for their own training."""
    import torch
    from peft.tuners.lora import LoraLayer

    scales = {f"under{i}": scale for i, (_, scale) in enumerate(adapters)}
    for name, (folder, _) in zip(scales, adapters, strict=True):
        put_on(model, model.get_base_model(), name, folder, base, pristine)
    switch_on(model, {"default": 1.0, **scales})
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name in scales.keys() & module.lora_dropout.keys():
                module.lora_dropout[name] = torch.nn.Identity()
    for name, weight in model.named_parameters():
        weight.requires_grad_(".default" in name)
