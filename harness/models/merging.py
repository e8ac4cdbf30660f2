"""An adapter's update in the full weights of its base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import ModelError
from harness.models.adapters import CONFIG, WEIGHTS, Factors, factors, lora_config, write
from harness.models.checkpoint import weight_files
from harness.recipes import Merged

if TYPE_CHECKING:
    import torch

    Deltas = Sequence[torch.Tensor]


class _Cut(NamedTuple):
    """An update at a bounded rank."""

    factors: Factors
    total: float
    """Sum of its squares before."""
    held: float
    """And after."""


def merge(recipe: Merged, folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the adapter that ``recipe`` makes of those in ``folders`` to ``out``; returns facts
    about it.

    ``kept`` is the share of the merged update's sum of squares that its rank holds: 1 is exact.
    Raises ModelError.
    """
    import torch

    torch.manual_seed(recipe.seed)
    each = [factors(folder) for folder in folders]
    weights = _weights(recipe)
    total = held = 0.0
    layers = {}
    for module in sorted({name for found in each for name in found}):
        own = [
            (found[module], weight)
            for found, weight in zip(each, weights, strict=True)
            if module in found
        ]
        cut = _merged(
            recipe,
            [pair for pair, _ in own],
            torch.tensor([weight for _, weight in own]),
            _rank(recipe),
        )
        layers[module], total, held = cut.factors, total + cut.total, held + cut.held
    config = json.loads((folders[0] / CONFIG).read_text(encoding="utf-8"))
    write(out, config, _of_one_rank(layers))
    kept = held / total if total else 1.0
    return {"adapter_bytes": (out / WEIGHTS).stat().st_size, "rank": _width(layers), "kept": kept}


def _weights(recipe: Merged) -> list[float]:
    weights = [weight for _, weight in recipe.adapters]
    return [weight / sum(weights) for weight in weights] if recipe.method == "mean" else weights


def _rank(recipe: Merged) -> int:
    ranks = [adapter.training.rank for adapter, _ in recipe.adapters]
    return recipe.rank or (max(ranks) if recipe.method == "svd" else sum(ranks))


def _merged(recipe: Merged, pairs: list[Factors], weights: torch.Tensor, rank: int) -> _Cut:
    if recipe.method in ("sum", "mean"):
        return _whole(_side_by_side(pairs, weights))
    if recipe.method == "linear":
        return _whole(_apart(pairs, weights))
    return _cut(_method(recipe)([pair.delta for pair in pairs], weights), rank)


def _method(recipe: Merged) -> Callable[[Deltas, torch.Tensor], torch.Tensor]:
    """PEFT's function for what is not a plain sum."""
    from peft.utils import merge_utils

    if recipe.method == "svd":
        found: Callable[..., torch.Tensor] = merge_utils.task_arithmetic
        return found
    return partial(getattr(merge_utils, recipe.method), density=recipe.density)


def _side_by_side(pairs: list[Factors], weights: torch.Tensor) -> Factors:
    """The exact weighted sum: ranks add up."""
    import torch

    down = torch.cat([pair.down for pair in pairs])
    return Factors(
        down, torch.cat([pair.up * weight for pair, weight in zip(pairs, weights, strict=True)], 1)
    )


def _apart(pairs: list[Factors], weights: torch.Tensor) -> Factors:
    """As PEFT's ``linear``: sums of the As and of the Bs, each by the root of its weight, cross
    terms and all."""
    roots = weights.abs().sqrt()
    signed = [root * weight.sign() for root, weight in zip(roots, weights, strict=True)]
    down = sum(pair.down * root for pair, root in zip(pairs, roots, strict=True))
    up = sum(pair.up * root for pair, root in zip(pairs, signed, strict=True))
    return Factors(down, up)


def _whole(pair: Factors) -> _Cut:
    norm = float(pair.delta.square().sum())
    return _Cut(pair, norm, norm)


def _cut(delta: torch.Tensor, rank: int) -> _Cut:
    """The best update of ``rank`` (Eckart & Young 1936), its root in each factor."""
    import torch

    left, values, right = torch.linalg.svd(delta, full_matrices=False)
    roots = values[:rank].sqrt()
    total, held = float(values.square().sum()), float(values[:rank].square().sum())
    return _Cut(Factors(roots[:, None] * right[:rank], left[:, :rank] * roots), total, held)


def _of_one_rank(layers: dict[str, Factors]) -> dict[str, Factors]:
    """Padded with zeros where some adapter had nothing on a layer, or a layer allows less."""
    from torch.nn.functional import pad

    width = _width(layers)
    return {
        module: Factors(pad(down, (0, 0, 0, width - len(down))), pad(up, (0, width - up.shape[1])))
        for module, (down, up) in layers.items()
    }


def _width(layers: dict[str, Factors]) -> int:
    return max(len(pair.down) for pair in layers.values())


_KEPT = {".json", ".jinja", ".model", ".txt", ".tiktoken"}


def into_base(base: Path, adapter: Path, out: Path) -> None:
    """Write the model in ``base`` with the LoRA in ``adapter`` added to its weights to ``out``, in
    its own dtype.

    The sum is taken in float32; the same input gives the same bytes.

    Raises:
        ModelError: a layer of the adapter has no full weight of its shape in ``base``.
    """
    from safetensors.torch import load_file, save_file

    turned = bool(lora_config(adapter).get("fan_in_fan_out"))  # GPT-2 holds inputs x outputs
    updates = {
        f"{module}.weight": pair.delta.T if turned else pair.delta
        for module, pair in factors(adapter).items()
    }
    out.mkdir(parents=True, exist_ok=True)
    left = set(updates)
    for file in weight_files(base):
        tensors = load_file(file)
        for name in left & tensors.keys():
            weight, update = tensors[name], updates[name]
            if weight.shape != update.shape or not weight.is_floating_point():
                raise ModelError(
                    f"{name} of {base} is {tuple(weight.shape)}, the update {tuple(update.shape)}"
                )
            tensors[name] = (weight.float() + update).to(weight.dtype).contiguous()
        left -= tensors.keys()
        save_file(tensors, out / file.name, metadata={"format": "pt"})
    if left:
        raise ModelError(
            f"{base} has no full weight {min(left)}: give the base that {adapter} was trained on"
        )
    for path in sorted(base.iterdir()):
        if path.is_file() and path.suffix in _KEPT:
            shutil.copyfile(path, out / path.name)
