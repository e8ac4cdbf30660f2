"""Contrastive initialisation: A from the inputs in which the dataset differs from other text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.models.loading import Loaded
from harness.training._adapted import bare
from harness.training._batches import tensors
from harness.training._windows import Window

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    Layers = Sequence[tuple[str, LoraLayer]]
    """Layers with an adapter, by name."""

KNOWN = 2000
"""Most replayed windows that are used."""
_RIDGE = 0.1
"""Share of the mean second moment that is added to each direction.

A few windows give poor estimates for directions that are rare in them.
"""
_MEMORY = 2**30
"""Most bytes of second moments in one pass."""
_ROWS = 64
"""Windows in a forward pass."""


def aim(model: PeftModel, loaded: Loaded, text: Sequence[Window], known: Sequence[Window]) -> None:
    """Set each A to the directions in which inputs from ``text`` exceed those from ``known`` most.

    The rows of A are the leading solutions of C_text a = v (C_known + ridge) a, where C are the
    second moments of a layer's inputs. All rows get the same second moment over ``known``, and the
    first has second moment 1 over ``text``. So a row with less contrast learns more slowly, and a
    larger rank changes other texts little. B stays at 0, so the model's answers do not change.

    The directions are the keys of MEMIT (Meng et al. 2023, arXiv 2210.07229). A is then fixed, as
    in LoRA-FA (Zhang et al. 2023, arXiv 2308.03303).
    """
    import torch

    layers = [(name, layer) for name, layer in _adapted(model) if "default" in layer.lora_A]
    with torch.no_grad(), bare(model):
        for group in _within_memory(layers):
            of_text = _moments(model, loaded, group, text)
            of_known = _moments(model, loaded, group, known[:KNOWN])
            for (_, layer), moment, other in zip(group, of_text, of_known, strict=True):
                a: Any = layer.lora_A["default"].weight
                a.copy_(_contrast(moment, other, len(a)))


def _adapted(model: PeftModel) -> Iterator[tuple[str, LoraLayer]]:
    from peft.tuners.lora import LoraLayer

    return (
        (name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)
    )


def _inputs(layer: LoraLayer) -> int:
    weight: Any = layer.lora_A["default"].weight
    return int(weight.shape[1])


def _within_memory(layers: Layers) -> Iterator[Layers]:
    """Groups of consecutive layers whose moments fit into ``_MEMORY``, or one larger layer."""
    group: list[tuple[str, LoraLayer]] = []
    used = 0
    for name, layer in layers:
        size = 2 * 4 * _inputs(layer) ** 2  # two float32 matrices
        if group and used + size > _MEMORY:
            yield group
            group = []
            used = 0
        group.append((name, layer))
        used += size
    yield group


def _moments(
    model: PeftModel, loaded: Loaded, group: Layers, texts: Sequence[Window]
) -> list[torch.Tensor]:
    """Mean second moments of the inputs of each layer in ``group``: float32, inputs x inputs."""
    import torch

    sizes = [_inputs(layer) for _, layer in group]
    moments = [torch.zeros(size, size, device=loaded.device) for size in sizes]
    count = 0
    with ExitStack() as hooks:
        batch: dict[str, torch.Tensor] = {}
        for (name, _), moment in zip(group, moments, strict=True):
            hook: Any = partial(_accumulate, moment, batch)
            hooks.callback(model.get_submodule(name).register_forward_pre_hook(hook).remove)
        ordered = sorted(texts, key=lambda w: len(w.ids))
        for left in range(0, len(ordered), _ROWS):
            rows = ordered[left : left + _ROWS]
            micro = tensors(rows, loaded.tokenizer.pad_token_id or 0, loaded.device)
            selected = torch.zeros_like(micro.ids, dtype=torch.bool)
            for row, window in enumerate(rows):
                selected[row, _positions(window)] = True
            batch["selected"] = selected
            count += int(selected.sum())
            model(input_ids=micro.ids, attention_mask=micro.mask, use_cache=False, logits_to_keep=1)
    return [moment / count for moment in moments]


def _positions(window: Window) -> slice:
    """The positions that count: those that predict an answer; of replayed text, all but the first.

    Token 0 has the same inputs in every text, often far larger than others (Sun et al. 2024,
    Massive Activations in Large Language Models), so it would dominate the ridge.
    """
    if window.replay:
        return slice(1, len(window.ids))
    return slice(window.start - 1, len(window.ids) - 1)


def _accumulate(
    moment: torch.Tensor,
    batch: dict[str, torch.Tensor],
    layer: Any,
    inputs: tuple[torch.Tensor, ...],
) -> None:
    """A forward hook that adds the second moments of the selected inputs to ``moment``."""
    selected = inputs[0][batch["selected"]].float()
    moment.addmm_(selected.T, selected)


def _contrast(text: torch.Tensor, known: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` x inputs: the leading generalised eigenvectors a, with a C_text a = v / v_1.

    Rows beyond the rank of C_text are 0.
    """
    import torch

    text = text.double()  # float32 is too coarse for the small eigenvalues
    known = known.double()
    ridge = _RIDGE * known.diagonal().mean()
    identity = torch.eye(len(known), dtype=known.dtype, device=known.device)
    # With C_known + ridge = L L^T this is an ordinary problem: L^-1 C_text L^-T has the same
    # eigenvalues, and its eigenvectors are L^T a.
    root = torch.linalg.cholesky(known + ridge * identity)
    half = torch.linalg.solve_triangular(root, text, upper=False)
    ratios = torch.linalg.solve_triangular(root, half.T, upper=False)
    values, vectors = torch.linalg.eigh((ratios + ratios.T) / 2)
    values = values[-count:].flip(0)  # eigh sorts them upwards
    vectors = vectors[:, -count:].flip(1)
    a = torch.linalg.solve_triangular(root.T, vectors, upper=True).T  # here a C_text a = v
    return torch.where((values > 1e-9 * values[0])[:, None], a / values[0].sqrt(), 0.0)
