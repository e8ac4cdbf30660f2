"""Adapters that answer to their own text and to little else: A from the inputs of each layer, and
then left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.models.loading import Loaded
from harness.training._adapted import bare
from harness.training._batches import Window
from harness.training._tensors import tensors

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

KNOWN = 2000
"""Replayed windows that are looked at, at most."""
_RIDGE = 0.1
"""Of the mean second moment, added to each: few windows say little of the directions that are rare
in them."""
_MEMORY = 2**30
"""Bytes of second moments that are gathered in one pass."""
_ROWS = 64
"""Windows in a forward pass."""


def aim(model: PeftModel, loaded: Loaded, own: Sequence[Window], known: Sequence[Window]) -> None:
    """Point each A at the inputs in which ``own`` stands out most from ``known``.

    The rows of A are the leading solutions of C_own a = v (C_known + ridge) a, where C are the
    second moments of a layer's inputs. All rows are moved alike by ``known``, and the first has
    second moment 1 over ``own``, so a row learns the slower the less its inputs stand out, and a
    larger rank costs other texts little. What is written there moves them least: the keys of Meng
    et al. 2023 (MEMIT, arXiv 2210.07229), as the fixed A of Zhang et al. 2023 (LoRA-FA, arXiv
    2308.03303). B stays at 0: the model answers as before.
    """
    import torch

    layers = [(name, layer) for name, layer in _adapted(model) if "default" in layer.lora_A]
    with torch.no_grad(), bare(model):
        for group in _within_memory(layers):
            moments = [_moments(model, loaded, group, texts) for texts in (own, known[:KNOWN])]
            for (_, layer), mine, others in zip(group, *moments, strict=True):
                a = layer.lora_A["default"].weight
                a.copy_(_outstanding(mine, others, len(a)))


def _adapted(model: PeftModel) -> Iterator[tuple[str, LoraLayer]]:
    from peft.tuners.lora import LoraLayer

    return (
        (name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)
    )


def _inputs(layer: LoraLayer) -> int:
    weight: Any = layer.lora_A["default"].weight
    return int(weight.shape[1])


def _within_memory(
    layers: Sequence[tuple[str, LoraLayer]],
) -> Iterator[list[tuple[str, LoraLayer]]]:
    """Neighbours whose second moments fit into ``_MEMORY``, or one that is larger."""
    group: list[tuple[str, LoraLayer]] = []
    used = 0
    for name, layer in layers:
        size = 2 * 4 * _inputs(layer) ** 2
        if group and used + size > _MEMORY:
            yield group
            group, used = [], 0
        group, used = [*group, (name, layer)], used + size
    yield group


def _moments(
    model: PeftModel,
    loaded: Loaded,
    group: Sequence[tuple[str, LoraLayer]],
    texts: Sequence[Window],
) -> list[torch.Tensor]:
    """Of the inputs of each layer in ``group``: float32, inputs x inputs.

    Over the tokens of ``texts`` that foretell an answer; of replayed ones, over all but the first:
    it is the same everywhere, and its inputs may be larger by far than any other (Sun et al. 2024,
    Massive Activations in Large Language Models), which would settle the ridge.
    """
    import torch

    found = [
        torch.zeros(_inputs(layer), _inputs(layer), device=loaded.device) for _, layer in group
    ]
    seen = 0
    with ExitStack() as hooks:
        shown: dict[str, torch.Tensor] = {}
        for (name, _), moment in zip(group, found, strict=True):
            hook: Any = partial(_gather, moment, shown)
            hooks.callback(model.get_submodule(name).register_forward_pre_hook(hook).remove)
        ordered = sorted(texts, key=lambda w: len(w.ids))
        for left in range(0, len(ordered), _ROWS):
            rows = ordered[left : left + _ROWS]
            given = tensors(rows, loaded.tokenizer.pad_token_id or 0, loaded.device)
            shown["looked at"] = torch.zeros_like(given.ids, dtype=torch.bool)
            for row, window in enumerate(rows):
                shown["looked at"][row, _looked_at(window)] = True
            seen += int(shown["looked at"].sum())
            model(input_ids=given.ids, attention_mask=given.mask, use_cache=False, logits_to_keep=1)
    return [moment / seen for moment in found]


def _looked_at(window: Window) -> slice:
    return (
        slice(1, len(window.ids)) if window.replay else slice(window.start - 1, len(window.ids) - 1)
    )


def _gather(
    moment: torch.Tensor,
    shown: dict[str, torch.Tensor],
    layer: Any,
    inputs: tuple[torch.Tensor, ...],
) -> None:
    seen = inputs[0][shown["looked at"]].float()
    moment.addmm_(seen.T, seen)


def _outstanding(own: torch.Tensor, known: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` x inputs: the leading generalised eigenvectors a, with a C_own a = v / v_1; 0
    beyond C_own's rank."""
    import torch

    own, known = own.double(), known.double()
    ridge = _RIDGE * known.diagonal().mean()
    root = torch.linalg.cholesky(
        known + ridge * torch.eye(len(known), dtype=known.dtype, device=known.device)
    )
    half = torch.linalg.solve_triangular(root, own, upper=False)
    ratios = torch.linalg.solve_triangular(root, half.T, upper=False)
    values, vectors = torch.linalg.eigh((ratios + ratios.T) / 2)
    values, vectors = values[-count:].flip(0), vectors[:, -count:].flip(1)
    a = torch.linalg.solve_triangular(
        root.T, vectors, upper=True
    ).T  # a C_own a is the value itself
    return torch.where((values > 1e-9 * values[0])[:, None], a / values[0].sqrt(), 0.0)
